use proptest::{prelude::*, sample};

use super::*;
use crate::pos::{
    catalog::{Catalog, CatalogList},
    product::Product,
};

fn org() -> OrgId {
    OrgId::from_random([7; 16])
}

fn catalog() -> CatalogId {
    CatalogId::from_random([1; 16])
}

fn product_id(n: u16) -> ProductId {
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    ProductId::from_random(bytes)
}

fn category_id(n: u8) -> CategoryId {
    CategoryId::from_random([n; 16])
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap()
}

fn entry(n: u16, millis: i64, category: Option<CategoryId>) -> Entry {
    Entry {
        id: entry_id(catalog(), product_id(n)),
        org: org(),
        catalog: catalog(),
        product: product_id(n),
        category,
        price: Cents(100),
        is_active: true,
        version: 3,
        created_at: at(millis),
        updated_at: at(millis),
    }
}

fn category(n: u8) -> Category {
    Category {
        id: category_id(n),
        org: org(),
        catalog: catalog(),
        name: format!("Category {n}"),
        description: None,
        icon: None,
        is_active: true,
        version: 3,
        created_at: at(0),
        updated_at: at(0),
    }
}

fn layout(categories: u8, entries: &[(u16, Option<u32>)]) -> Layout {
    let layout =
        (0..categories).fold(Layout::new(org(), catalog()), |layout, n| layout.add_category(category_id(n)).unwrap());
    let entries: Vec<_> = entries.iter().map(|(n, rank)| (entry_id(catalog(), product_id(*n)), *rank)).collect();
    layout.add_entries(&entries).unwrap()
}

/// Categories by rank, as a client sees them.
fn in_order(layout: &Layout) -> Vec<(u32, CategoryId)> {
    let mut order: Vec<_> = layout.categories.0.iter().map(|(id, rank)| (*rank, *id)).collect();
    order.sort_unstable();
    order
}

#[test]
fn a_pair_has_one_id_and_another_pair_another() {
    let id = |c: u8, p: u16| entry_id(CatalogId::from_random([c; 16]), product_id(p));
    assert_eq!(id(1, 2), id(1, 2));
    assert_ne!(id(1, 2), id(2, 2));
    assert_ne!(id(1, 2), id(1, 3));
}

#[test]
fn what_is_new_comes_last() {
    let layout = layout(2, &[(1, None), (2, Some(7)), (3, None), (4, Some(7))]);
    let ranks = [1, 2, 3, 4].map(|n| layout.entries.get(entry_id(catalog(), product_id(n))));
    assert_eq!(ranks, [Some(0), Some(7), Some(8), Some(7)]);
    assert_eq!(in_order(&layout), [(0, category_id(0)), (1, category_id(1))]);
    let moved = layout.move_category(category_id(0), MAX_RANK).add_category(category_id(2)).unwrap();
    assert_eq!(moved.categories.get(category_id(2)), Some(MAX_RANK), "and never beyond the end");
}

#[test]
fn products_are_sorted_by_rank_and_then_newest() {
    let layout = layout(0, &[(1, Some(1)), (2, Some(0)), (3, Some(1))]);
    let unranked = entry(9, 9, None);
    let menu = Menu::new(layout, vec![], vec![entry(1, 5, None), entry(2, 5, None), entry(3, 6, None), unranked]);
    let order: Vec<ProductId> = menu.entries.iter().map(|entry| entry.product).collect();
    assert_eq!(order, [2, 3, 1].map(product_id));
}

#[test]
fn a_category_that_is_gone_takes_nothing_with_it() {
    let before = layout(2, &[(1, None), (2, None)]);
    let rows = || vec![entry(1, 0, Some(category_id(0))), entry(2, 0, Some(category_id(1)))];
    let menu = Menu::new(before.clone(), vec![category(0), category(1)], rows());
    assert_eq!((menu.count(category_id(0)), menu.category_of(&menu.entries[0]).unwrap().id), (1, category_id(0)));
    let menu = Menu::new(before.remove_category(category_id(0)), vec![category(0), category(1)], rows());
    assert_eq!(menu.categories.len(), 1);
    assert_eq!(menu.category_of(&menu.entries[0]), None);
    assert_eq!(menu.category_of(&menu.entries[1]).map(|category| category.id), Some(category_id(1)));
}

#[test]
fn a_menu_has_its_limits() {
    let full = layout(MAX_CATEGORIES as u8, &(0..MAX_ENTRIES as u16).map(|n| (n, None)).collect::<Vec<_>>());
    assert_eq!(full.add_category(category_id(200)), Err(MenuFull::Categories));
    assert_eq!(full.add_entries(&[(entry_id(catalog(), product_id(9999)), None)]), Err(MenuFull::Products));
    let there = entry_id(catalog(), product_id(0));
    assert!(full.remove_entry(there).add_entries(&[(there, Some(0))]).is_ok());
}

#[test]
fn a_product_comes_in_and_leaves_with_all_that_knows_of_it() {
    let menu = Menu::new(layout(1, &[(1, None)]), vec![category(0)], vec![entry(1, 0, None)]);
    let shop = Catalog { products: 1, ..Catalog::new(catalog(), org(), "Shop".into(), at(0)) };
    let gone = CatalogId::from_random([9; 16]);
    let list = CatalogList { ids: vec![catalog()], ..CatalogList::default() };
    let library = [1, 2, 3].map(|n| {
        let product = Product::new(product_id(n), org(), n.to_string(), at(0));
        Product { catalogs: BTreeSet::from([gone]), version: 5, ..product }
    });
    let new =
        |n: u16, category| NewEntry { product: product_id(n), price: Cents(5), category, rank: None, is_active: true };
    let add = |new: &[NewEntry]| menu.adding((&shop, &list), &library, new, at(7));

    let change = add(&[new(2, Some(category_id(0))), new(3, None)]).unwrap();
    assert_eq!(
        (change.catalog.products, change.catalog.version, change.layout.version),
        (3, 1, menu.layout.version + 1)
    );
    assert_eq!(
        change.entries.iter().map(|entry| change.layout.entries.get(entry.id)).collect::<Vec<_>>(),
        [Some(1), Some(2)]
    );
    for product in &change.products {
        assert_eq!((product.version, &product.catalogs), (6, &BTreeSet::from([catalog()])));
    }
    assert_eq!(add(&[new(2, None), new(4, None)]), Err(AddError::UnknownProduct(1)));
    assert_eq!(add(&[new(2, Some(category_id(1)))]), Err(AddError::UnknownCategory(0)));
    assert_eq!(add(&[new(1, None)]), Err(AddError::Twice(0)));
    assert_eq!(add(&[new(2, None), new(2, None)]), Err(AddError::Twice(1)));

    let menu = Menu::new(change.layout, vec![category(0)], [menu.entries, change.entries].concat());
    let back = menu.removing(&change.catalog, &menu.entries[1], &change.products);
    assert_eq!((back.catalog.products, back.layout.entries.len(), back.products.len()), (2, 2, 1));
    assert!(back.products[0].catalogs.is_empty());
    assert!(menu.removing(&change.catalog, &menu.entries[0], &[]).products.is_empty());
}

#[test]
fn a_copy_is_the_same_under_other_ids() {
    let before = layout(2, &[(1, Some(4)), (2, Some(2)), (3, None)]);
    let entries = vec![entry(1, 0, Some(category_id(1))), entry(2, 0, None), entry(3, 0, Some(category_id(9)))];
    let menu = Menu::new(before, vec![category(0), category(1)], entries);
    let library: Vec<Product> = [1, 2, 3, 4]
        .map(|n| Product { description: Some("d".into()), ..Product::new(product_id(n), org(), n.to_string(), at(0)) })
        .into();
    let mut seed = 100u8;
    let random = || {
        seed += 1;
        [seed; 16]
    };
    let id = CatalogId::from_random([2; 16]);
    let copy = menu.copied(Catalog::new(id, org(), "Copy".into(), at(9)), &library, random, at(9));
    assert_eq!((copy.catalog.products, copy.products.len(), copy.categories.len()), (3, 3, 2));
    for (before, after) in menu.entries.iter().zip(&copy.entries) {
        let product = copy.products.iter().find(|product| product.id == after.product).unwrap();
        let original = library.iter().find(|product| product.id == before.product).unwrap();
        assert_eq!((&product.name, &product.description), (&original.name, &original.description));
        assert_ne!(product.id, original.id);
        assert_eq!((product.copied_for, &product.catalogs), (Some(id), &BTreeSet::from([id])));
        assert_eq!((after.id, after.catalog, after.version), (entry_id(id, product.id), id, 0));
        assert_eq!((after.price, after.created_at), (before.price, before.created_at));
        assert_eq!(copy.layout.entries.get(after.id), menu.layout.entries.get(before.id));
        let category = after.category.map(|id| copy.categories.iter().find(|category| category.id == id).unwrap());
        assert_eq!(category.map(|category| &category.name), menu.category_of(before).map(|category| &category.name));
    }
    let shown = Menu::new(copy.layout.clone(), copy.categories.clone(), copy.entries.clone());
    assert_eq!(shown.entries, copy.entries, "in the same order");
}

proptest! {
    /// Whatever part of the categories a client names, and in whichever order: these come first, in that order, the others
    /// follow in theirs, nothing is lost, and the ranks are 0, 1, 2 ….
    #[test]
    fn a_reorder_is_a_permutation(
        count in 0..40u8,
        named in sample::subsequence((0..40u8).collect::<Vec<_>>(), 0..=40).prop_shuffle(),
    ) {
        let before = layout(count, &[]);
        let named: Vec<CategoryId> = named.into_iter().filter(|n| *n < count).map(category_id).collect();
        let after = before.reorder_categories(&named).unwrap();
        let order = in_order(&after);
        prop_assert_eq!(order.iter().map(|(rank, _)| *rank).collect::<Vec<_>>(), (0..u32::from(count)).collect::<Vec<_>>());
        let order: Vec<CategoryId> = order.into_iter().map(|(_, id)| id).collect();
        prop_assert_eq!(&order[..named.len()], &named[..]);
        let others: Vec<CategoryId> =
            in_order(&before).into_iter().map(|(_, id)| id).filter(|id| !named.contains(id)).collect();
        prop_assert_eq!(&order[named.len()..], &others[..]);
        prop_assert_eq!(after.version, before.version + 1);
    }

    /// Products get the ranks that are named, and no other product moves.
    #[test]
    fn ranks_are_set_as_named(
        count in 1..60u16,
        wanted in prop::collection::btree_map(0..60u16, 0..=MAX_RANK, 0..60),
    ) {
        let before = layout(0, &(0..count).map(|n| (n, None)).collect::<Vec<_>>());
        let id = |n: u16| entry_id(catalog(), product_id(n));
        let wanted: BTreeMap<u16, u32> = wanted.into_iter().filter(|(n, _)| *n < count).collect();
        let named: Vec<_> = wanted.iter().map(|(n, rank)| (id(*n), *rank)).collect();
        let after = before.reorder_entries(&named).unwrap();
        for n in 0..count {
            let expected = wanted.get(&n).copied().or(before.entries.get(id(n)));
            prop_assert_eq!(after.entries.get(id(n)), expected);
        }
        prop_assert_eq!(after.entries.len(), usize::from(count));
        prop_assert!(after.entries.last() > 0);
    }

    /// What is unknown, or named twice, is refused with its place.
    #[test]
    fn what_cannot_be_ordered_is_named(count in 1..20u8, place in 0..20usize) {
        let before = layout(count, &[]);
        let mut named: Vec<CategoryId> = (0..count).map(category_id).collect();
        let place = place % named.len();
        named[place] = category_id(200);
        prop_assert_eq!(before.reorder_categories(&named), Err(OrderError::Unknown(place)));
        named[place] = category_id(place as u8);
        named.push(category_id(place as u8));
        prop_assert_eq!(before.reorder_categories(&named), Err(OrderError::Twice(usize::from(count))));
    }
}
