//! Catalogs, menus and the library: keys, conditions, copies, and many at once.

use std::{collections::BTreeSet, sync::Arc};

use domain::{
    ids::{CatalogId, CategoryId, ProductId, UserId},
    money::Cents,
    pos::{
        catalog::{Catalog, CatalogList},
        menu::{Category, Layout, Menu, NewEntry, entry_id},
        product::{Arrival, COPY_TAKES, Picture, Product, Shelf},
        subscription::Subscription,
        tier::Tier,
    },
};
use store::{StoreError, pos::product::Library};
use uuid::Uuid;

use crate::world::*;

fn catalog_id(n: u16) -> CatalogId {
    let mut bytes = [1; 16];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    CatalogId::from_random(bytes)
}

fn product_id(n: u16) -> ProductId {
    let mut bytes = [2; 16];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    ProductId::from_random(bytes)
}

fn catalog(n: u16) -> Catalog {
    Catalog::new(catalog_id(n), org(), format!("Catalog {n}"), now())
}

fn product(n: u16) -> Product {
    Product::new(product_id(n), org(), format!("Product {n:03}"), now())
}

fn category(n: u8, catalog: CatalogId) -> Category {
    Category {
        id: CategoryId::from_random([n; 16]),
        org: org(),
        catalog,
        name: format!("Category {n}"),
        description: None,
        icon: None,
        is_active: true,
        version: 0,
        created_at: now(),
        updated_at: now(),
    }
}

fn entry(n: u16) -> NewEntry {
    NewEntry { product: product_id(n), price: Cents(100 + i64::from(n)), category: None, rank: None, is_active: true }
}

/// What is stale is decided again, as the handlers do.
async fn insist<T, F: Future<Output = Result<T, StoreError>>>(step: impl Fn() -> F) -> T {
    for _ in 0..200 {
        match step().await {
            Err(StoreError::Stale) => {}
            done => return done.unwrap(),
        }
    }
    panic!("others never stopped");
}

impl World {
    async fn catalog(&self, n: u16) -> Catalog {
        let catalog = catalog(n);
        let made = insist(|| async {
            let list = self.list().await.with(catalog.id, Tier::Pro).unwrap();
            self.store.pos().create_catalog(&catalog, &list).await
        });
        made.await;
        catalog
    }

    async fn product(&self, n: u16) -> Product {
        let product = product(n);
        let made = insist(|| async {
            let shelf = self.library().await.shelf.with(1).unwrap();
            self.store.pos().create_product(&product, &shelf).await
        });
        made.await;
        product
    }

    async fn add(&self, catalog: CatalogId, new: &[NewEntry]) {
        let added = insist(|| async {
            let (standing, library) = (self.standing(catalog).await, self.library().await);
            let menu = self.menu(catalog).await;
            let head = standing.catalog.unwrap();
            let change = menu.adding((&head, &standing.list), &library.products, new, now()).unwrap();
            self.store.pos().add_entries(&change).await
        });
        added.await;
    }

    async fn standing(&self, catalog: CatalogId) -> store::pos::catalog::Standing {
        self.store.pos().load_standing(org(), Some(catalog)).await.unwrap()
    }

    async fn list(&self) -> CatalogList {
        self.store.pos().load_standing(org(), None).await.unwrap().list
    }

    async fn library(&self) -> Library {
        self.store.pos().load_library(org()).await.unwrap()
    }

    async fn menu(&self, catalog: CatalogId) -> Menu {
        self.store.pos().load_menu(org(), catalog).await.unwrap().unwrap()
    }

    /// All counts, reckoned again from the rows: what each catalog says it sells, what its layout ranks, which entries there
    /// are, what products know of it, and how many products there are.
    async fn check_catalogs(&self) {
        let (list, catalogs) = self.store.pos().load_catalogs(org()).await.unwrap();
        assert_eq!(catalogs.len(), list.ids.len());
        let products: Vec<Product> = self.read("product").await;
        let shelf: Shelf = self.read("shelf").await.pop().unwrap_or_default();
        assert_eq!(shelf.products as usize, products.len(), "products");
        for catalog in &catalogs {
            let menu = self.menu(catalog.id).await;
            assert_eq!((catalog.products, menu.entries.len()), (menu.layout.entries.len(), catalog.products));
            assert_eq!(menu.categories.len(), menu.layout.categories.len());
            for entry in &menu.entries {
                let product = products.iter().find(|product| product.id == entry.product).unwrap();
                assert!(product.catalogs.contains(&catalog.id), "{} does not know of {}", product.name, catalog.name);
            }
            for product in products.iter().filter(|product| product.catalogs.contains(&catalog.id)) {
                assert!(menu.entry(entry_id(catalog.id, product.id)).is_some(), "{} is not sold", product.name);
            }
        }
    }

    async fn read<T: serde::de::DeserializeOwned>(&self, entity: &str) -> Vec<T> {
        self.all(entity).await.into_iter().map(|item| serde_dynamo::from_item(item).unwrap()).collect()
    }
}

#[tokio::test]
async fn everything_is_under_its_organization() {
    let world = World::new().await;
    let catalog = world.catalog(1).await;
    let drinks = category(1, catalog.id);
    let layout = world.menu(catalog.id).await.layout.add_category(drinks.id).unwrap();
    world.store.pos().create_category(&drinks, &layout).await.unwrap();
    let product = world.product(1).await;
    world.add(catalog.id, &[NewEntry { category: Some(drinks.id), ..entry(1) }]).await;

    let (catalogs, rows, library) = (
        format!("ORG#{}#CATALOGS", org()),
        format!("ORG#{}#CATALOG#{}", org(), catalog.id),
        format!("ORG#{}#PRODUCTS", org()),
    );
    let id = entry_id(catalog.id, product.id);
    for (pk, sk, entity) in [
        (&catalogs, "LIST".to_owned(), "catalog_list"),
        (&catalogs, format!("CATALOG#{}", catalog.id), "catalog"),
        (&rows, "LAYOUT".to_owned(), "layout"),
        (&rows, format!("CATEGORY#{}", drinks.id), "category"),
        (&rows, format!("ENTRY#{id}"), "entry"),
        (&library, "SHELF".to_owned(), "shelf"),
        (&library, format!("PRODUCT#{}", product.id), "product"),
    ] {
        let item = world.item(pk, &sk).await.unwrap_or_else(|| panic!("{pk} {sk}"));
        assert_keys(&item, &[("pk", pk.clone()), ("sk", sk), ("entity", entity.into())]);
    }
    assert_eq!(world.everything().await.len(), 7, "and nothing else");

    let menu = world.menu(catalog.id).await;
    assert_eq!((menu.categories, menu.entries[0].id), (vec![drinks], id));
    assert_eq!(world.standing(catalog.id).await.catalog.unwrap().products, 1);
    assert_eq!(world.library().await.products[0].catalogs, BTreeSet::from([catalog.id]));
    let pos = world.store.pos();
    assert_eq!(pos.load_menu(other_org(), catalog.id).await.unwrap(), None);
    assert_eq!(pos.load_product(other_org(), product.id).await.unwrap(), None);
    let standing = pos.load_standing(other_org(), Some(catalog.id)).await.unwrap();
    assert_eq!((standing.catalog, standing.list), (None, CatalogList::default()));
    assert!(pos.load_catalogs(other_org()).await.unwrap().1.is_empty());
    world.check_catalogs().await;
}

#[tokio::test]
async fn what_the_app_reads_when_it_starts_is_one_call_each() {
    let world = World::new().await;
    for n in 1..=3 {
        world.catalog(n).await;
        world.product(n).await;
    }
    world.add(catalog_id(2), &[entry(1), entry(2)]).await;
    let subscription = Subscription::starter(Uuid::nil(), org(), UserId::from_random([3; 16]), now());
    world.store.pos().save_subscription(None, &Subscription { tier: Tier::Pro, ..subscription }).await.unwrap();
    world.wire.take_calls();

    let (list, catalogs) = world.store.pos().load_catalogs(org()).await.unwrap();
    assert_eq!(world.wire.take_calls(), ["Query"]);
    assert_eq!(
        catalogs.iter().map(|catalog| catalog.id).collect::<Vec<_>>(),
        [3, 2, 1].map(catalog_id),
        "newest first"
    );
    assert_eq!(list.ids, [1, 2, 3].map(catalog_id), "oldest first");
    assert_eq!(catalogs.iter().map(|catalog| catalog.products).collect::<Vec<_>>(), [0, 2, 0]);
    assert_eq!(world.standing(catalog_id(2)).await.tier, Tier::Pro);
    assert_eq!(world.wire.take_calls(), ["BatchGetItem"]);
    assert_eq!(world.menu(catalog_id(2)).await.entries.len(), 2);
    assert_eq!(world.wire.take_calls(), ["Query"]);
    assert_eq!(world.library().await.products.len(), 3);
    assert_eq!(world.wire.take_calls(), ["Query"]);
}

#[tokio::test]
async fn what_has_changed_is_not_written_over() {
    let world = World::new().await;
    let pos = world.store.pos();
    let catalog = world.catalog(1).await;
    let product = world.product(1).await;
    world.product(2).await;
    let stale = |result: Result<(), StoreError>| assert!(matches!(result, Err(StoreError::Stale)), "{result:?}");

    // The list: two catalogs decided on the same one.
    let list = world.list().await;
    world.catalog(2).await;
    stale(pos.create_catalog(&self::catalog(3), &list.with(catalog_id(3), Tier::Pro).unwrap()).await);
    stale(pos.delete_catalog(&catalog, &list.without(catalog.id).unwrap()).await);
    // A catalog, a product.
    let edited = catalog.edited(|catalog| catalog.name = "A".into(), now());
    pos.save_catalog(&edited).await.unwrap();
    stale(pos.save_catalog(&catalog.edited(|catalog| catalog.name = "B".into(), now())).await);
    stale(pos.delete_catalog(&catalog, &world.list().await.without(catalog.id).unwrap()).await);
    let renamed = product.edited(|product| product.name = "A".into(), now());
    pos.save_product(&renamed).await.unwrap();
    stale(pos.save_product(&product.edited(|product| product.name = "B".into(), now())).await);
    stale(pos.create_product(&product, &world.library().await.shelf.with(1).unwrap()).await);
    // The shelf: two products decided on the same number.
    let shelf = world.library().await.shelf;
    pos.create_product(&self::product(3), &shelf.with(1).unwrap()).await.unwrap();
    stale(pos.create_product(&self::product(4), &shelf.with(1).unwrap()).await);
    // The layout: a category and an order decided on the same one.
    let before = world.menu(catalog.id).await.layout;
    let drinks = category(1, catalog.id);
    pos.create_category(&drinks, &before.add_category(drinks.id).unwrap()).await.unwrap();
    let food = category(2, catalog.id);
    stale(pos.create_category(&food, &before.add_category(food.id).unwrap()).await);
    stale(pos.save_layout(&before.reorder_categories(&[]).unwrap()).await);
    // A category and a catalog's product.
    let after = drinks.edited(|category| category.name = "A".into(), now());
    pos.save_category(&after, None).await.unwrap();
    stale(pos.save_category(&drinks.edited(|category| category.name = "B".into(), now()), None).await);
    let stale_layout = before.move_category(drinks.id, 5);
    let next = after.edited(|category| category.name = "C".into(), now());
    stale(pos.save_category(&next, Some(&stale_layout)).await);
    assert_eq!(world.menu(catalog.id).await.categories[0].name, "A", "both or neither");
    stale(pos.delete_category(&drinks, &before.remove_category(drinks.id)).await);
    world.add(catalog.id, &[entry(1)]).await;
    let sold = world.menu(catalog.id).await.entries[0].clone();
    pos.save_entry(&sold.edited(|entry| entry.price = Cents(5), now()), None).await.unwrap();
    stale(pos.save_entry(&sold.edited(|entry| entry.price = Cents(6), now()), None).await);
    // A pair that is there, although nothing else is stale.
    let (standing, menu) = (world.standing(catalog.id).await, world.menu(catalog.id).await);
    let without = Menu::new(menu.layout.remove_entry(sold.id), vec![], vec![]);
    let head = standing.catalog.unwrap();
    let library = world.library().await.products;
    let mut twice = without.adding((&head, &standing.list), &library, &[entry(1)], now()).unwrap();
    twice.layout.version = menu.layout.version + 1;
    stale(pos.add_entries(&twice).await);
    // Taking out: what is decided on another price, catalog, layout or product.
    let current = menu.entries[0].clone();
    stale(pos.remove_entries(&menu.removing(&head, &sold, &library)).await);
    let change = menu.removing(&head, &current, &library);
    let mut stale_product = change.clone();
    stale_product.products[0].version -= 1;
    stale(pos.remove_entries(&stale_product).await);
    pos.remove_entries(&change).await.unwrap();
    assert_eq!(world.standing(catalog.id).await.catalog.unwrap().products, 0);
    world.check_catalogs().await;
}

#[tokio::test]
async fn a_deleted_catalog_is_gone_at_once_and_its_rows_in_the_end() {
    let world = World::new().await;
    let pos = world.store.pos();
    let keep = world.catalog(1).await;
    let catalog = world.catalog(2).await;
    for n in 0..120 {
        world.product(n).await;
    }
    for chunk in (0..120).collect::<Vec<u16>>().chunks(40) {
        world.add(catalog.id, &chunk.iter().map(|n| entry(*n)).collect::<Vec<_>>()).await;
    }
    world.add(keep.id, &[entry(1)]).await;
    let menu = world.menu(catalog.id).await;
    let head = world.standing(catalog.id).await.catalog.unwrap();
    let list = world.list().await.without(catalog.id).unwrap();
    pos.delete_catalog(&head, &list).await.unwrap();
    assert_eq!(world.standing(catalog.id).await.catalog, None);
    assert_eq!(pos.load_menu(org(), catalog.id).await.unwrap(), None);
    // Whoever decided on the menu before finds nothing to write over.
    let late = menu.layout.reorder_entries(&[]).unwrap();
    assert!(matches!(pos.save_layout(&late).await, Err(StoreError::Stale)));
    let drinks = category(1, catalog.id);
    let late = menu.layout.add_category(drinks.id).unwrap();
    assert!(matches!(pos.create_category(&drinks, &late).await, Err(StoreError::Stale)));
    assert_eq!(world.all("entry").await.len(), 121, "not swept yet");

    // Whoever has the list sweeps, as often as it is tried.
    let list = world.list().await;
    assert_eq!(list.leaving, [catalog.id]);
    pos.clear_catalogs(org(), &list).await.unwrap();
    let again = pos.clear_catalogs(org(), &list).await;
    assert!(matches!(again, Err(StoreError::Stale)), "the list is another: {again:?}");
    assert_eq!(world.all("entry").await.len(), 1);
    assert!(world.list().await.leaving.is_empty());
    // A product that only the deleted catalog sold can be deleted, and one that another sells too.
    assert!(pos.delete_product(org(), product_id(2)).await.unwrap());
    assert!(pos.delete_product(org(), product_id(1)).await.unwrap());
    assert!(!pos.delete_product(org(), product_id(1)).await.unwrap());
    assert_eq!(world.standing(keep.id).await.catalog.unwrap().products, 0);
}

#[tokio::test]
async fn a_product_leaves_every_catalog_however_many_there_are() {
    let world = World::new().await;
    world.product(1).await;
    world.product(2).await;
    for n in 0..70 {
        world.catalog(n).await;
        world.add(catalog_id(n), &[entry(1), entry(2)]).await;
    }
    world.wire.take_calls();
    assert!(world.store.pos().delete_product(org(), product_id(1)).await.unwrap());
    let calls = world.wire.take_calls();
    assert_eq!(calls.iter().filter(|call| *call == "TransactWriteItems").count(), 3, "{calls:?}");
    let (_, catalogs) = world.store.pos().load_catalogs(org()).await.unwrap();
    assert!(catalogs.iter().all(|catalog| catalog.products == 1));
    assert_eq!(world.library().await.shelf.products, 1);
    world.check_catalogs().await;
}

#[tokio::test]
async fn a_copy_is_seen_whole_or_not_at_all() {
    let world = World::new().await;
    let pos = world.store.pos();
    let source = world.catalog(1).await;
    for n in 0..130 {
        world.product(n).await;
    }
    let drinks = category(1, source.id);
    let layout = world.menu(source.id).await.layout.add_category(drinks.id).unwrap();
    pos.create_category(&drinks, &layout).await.unwrap();
    for chunk in (0..130).collect::<Vec<u16>>().chunks(45) {
        let new = chunk.iter().map(|n| NewEntry { category: Some(drinks.id), ..entry(*n) });
        world.add(source.id, &new.collect::<Vec<_>>()).await;
    }
    let library = world.library().await;
    let new = source.copied(catalog_id(2), "Copy".into(), later(1));
    let copy = world.menu(source.id).await.copied(new, &library.products, rand::random, later(1));
    let arrival = Arrival { catalog: copy.catalog.id, products: 130, at: later(1) };
    pos.save_shelf(org(), &library.shelf.announcing(arrival.clone()).unwrap()).await.unwrap();
    pos.write_copy(&copy, &[]).await.unwrap();
    pos.write_copy(&copy, &[]).await.unwrap();

    // Written, and not seen.
    let seen = world.library().await;
    assert_eq!((seen.products.len(), seen.unseen.len(), seen.shelf.products), (130, 130, 260));
    assert_eq!(pos.load_catalogs(org()).await.unwrap().1.len(), 1);
    assert_eq!(pos.load_product(org(), copy.products[0].id).await.unwrap(), None);
    assert!(!pos.delete_product(org(), copy.products[0].id).await.unwrap());

    // Published, and seen.
    let list = world.list().await.with(copy.catalog.id, Tier::Pro).unwrap();
    let stale = pos.publish_copy(&copy, &list, &library.shelf.announcing(arrival).unwrap()).await;
    assert!(matches!(stale, Err(StoreError::Stale)), "the shelf is another");
    let shelf = seen.shelf.welcoming(copy.catalog.id).unwrap();
    pos.publish_copy(&copy, &list, &shelf).await.unwrap();
    assert_eq!(world.library().await.products.len(), 260);
    let (before, after) = (world.menu(source.id).await, world.menu(copy.catalog.id).await);
    let shown = |menu: &Menu| -> Vec<(Cents, Option<u32>, Option<String>)> {
        let row = |entry: &domain::pos::menu::Entry| {
            let category = menu.category_of(entry).map(|category| category.name.clone());
            (entry.price, menu.layout.entries.get(entry.id), category)
        };
        menu.entries.iter().map(row).collect()
    };
    assert_eq!(shown(&before), shown(&after));
    world.check_catalogs().await;
    // Given up after all: there is nothing to give up any more.
    pos.abandon_copy(org(), copy.catalog.id, later(2)).await.unwrap();
    assert_eq!(world.library().await.products.len(), 260);
}

#[tokio::test]
async fn a_copy_that_is_given_up_leaves_nothing() {
    let world = World::new().await;
    let pos = world.store.pos();
    let source = world.catalog(1).await;
    for n in 0..3 {
        let product = world.product(n).await;
        let picture = Some(Picture { id: Uuid::nil(), key: "media/a.png".into() });
        pos.save_product(&product.edited(|product| product.picture = picture, now())).await.unwrap();
    }
    world.add(source.id, &[entry(0), entry(1), entry(2)]).await;
    let library = world.library().await;
    let new = source.copied(catalog_id(2), "Copy".into(), now());
    let copy = world.menu(source.id).await.copied(new, &library.products, rand::random, now());
    let before = world.everything().await.len();
    let arrival = Arrival { catalog: copy.catalog.id, products: 3, at: now() };
    pos.save_shelf(org(), &library.shelf.announcing(arrival).unwrap()).await.unwrap();
    pos.write_copy(&copy, &[]).await.unwrap();
    assert_eq!(world.everything().await.len(), before + 6);
    pos.abandon_copy(org(), copy.catalog.id, now()).await.unwrap();
    assert_eq!(world.everything().await.len(), before);
    let shelf = world.library().await.shelf;
    assert_eq!((shelf.products, shelf.arriving.len()), (3, 0));
    world.check_catalogs().await;
}

/// A part of a copy fails, and a part of it comes when it has been given up and swept away.
#[tokio::test]
async fn a_copy_that_fails_in_part_is_never_seen() {
    let world = World::new().await;
    let pos = world.store.pos();
    let source = world.catalog(1).await;
    for n in 0..110 {
        world.product(n).await;
    }
    for chunk in (0..110).collect::<Vec<u16>>().chunks(45) {
        world.add(source.id, &chunk.iter().map(|n| entry(*n)).collect::<Vec<_>>()).await;
    }
    let before = world.library().await;
    let id = catalog_id(2);
    let copy = source.copied(id, "Copy".into(), now());
    let copy = world.menu(source.id).await.copied(copy, &before.products, rand::random, now());
    let announced = before.shelf.announcing(Arrival { catalog: id, products: 110, at: now() }).unwrap();
    pos.save_shelf(org(), &announced).await.unwrap();
    let items = world.everything().await.len();
    world.wire.lose("TransactWriteItems", 1, "AccessDeniedException");
    pos.write_copy(&copy, &[]).await.unwrap_err();
    assert_eq!(world.everything().await.len(), items + 220, "those that did not fail were waited for");

    let nothing_is_seen = async || {
        let library = world.library().await;
        assert_eq!((&library.products, library.shelf.products), (&before.products, 110));
        assert_eq!(pos.load_catalogs(org()).await.unwrap().1.len(), 1);
        assert_eq!(pos.load_product(org(), copy.products[0].id).await.unwrap(), None);
    };
    pos.abandon_copy(org(), id, now()).await.unwrap();
    assert_eq!(world.everything().await.len(), items);
    nothing_is_seen().await;
    world.check_catalogs().await;
    // What comes late.
    pos.write_copy(&copy, &[]).await.unwrap();
    nothing_is_seen().await;
    let list = world.list().await.with(id, Tier::Pro).unwrap();
    let published = pos.publish_copy(&copy, &list, &announced.welcoming(id).unwrap()).await;
    assert!(matches!(published, Err(StoreError::Stale)), "{published:?}");
    assert_eq!(world.library().await.shelf.welcoming(id), None);
    // When nothing can come any more.
    assert_eq!(world.library().await.shelf.stranded(now()), []);
    let over = now() + COPY_TAKES + jiff::SignedDuration::from_millis(1);
    assert_eq!(world.library().await.shelf.stranded(over), [id]);
    pos.abandon_copy(org(), id, over).await.unwrap();
    nothing_is_seen().await;
    let shelf = world.library().await.shelf;
    assert_eq!((shelf.arriving, shelf.leaving, world.everything().await.len()), (vec![], vec![], items));
    world.check_catalogs().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_editors_at_once_lose_nothing() {
    let world = Arc::new(World::new().await);
    let catalogs = [world.catalog(1).await, world.catalog(2).await];
    let makers: Vec<_> = (0..24)
        .map(|n| {
            let (world, catalog) = (world.clone(), catalogs[usize::from(n) % 2].id);
            tokio::spawn(async move {
                world.product(n).await;
                world.add(catalog, &[entry(n)]).await;
                if n % 3 == 0 {
                    insist(|| async { world.store.pos().delete_product(org(), product_id(n)).await }).await;
                }
            })
        })
        .collect();
    let shuffler = |catalog: CatalogId| {
        let world = world.clone();
        tokio::spawn(async move {
            for round in 0..10 {
                insist(|| async {
                    let layout: Layout = world.menu(catalog).await.layout;
                    world.store.pos().save_layout(&layout.reorder_entries(&[]).unwrap()).await
                })
                .await;
                let edit = |catalog: &mut Catalog| catalog.name = format!("Round {round}");
                insist(|| async {
                    let head = world.standing(catalog).await.catalog.unwrap();
                    world.store.pos().save_catalog(&head.edited(edit, now())).await
                })
                .await;
            }
        })
    };
    let shufflers = [shuffler(catalogs[0].id), shuffler(catalogs[1].id)];
    for task in makers.into_iter().chain(shufflers) {
        task.await.unwrap();
    }
    world.check_catalogs().await;
    let (_, after) = world.store.pos().load_catalogs(org()).await.unwrap();
    assert_eq!(
        after.iter().map(|catalog| (catalog.products, catalog.name.as_str())).collect::<Vec<_>>(),
        [(8, "Round 9"); 2]
    );
    assert_eq!(world.library().await.shelf.products, 16);
}
