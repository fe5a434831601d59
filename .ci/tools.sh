# Sourced by .ci/run: the pinned tools that checks need besides Rust, and how they are started and stopped.
# Each is installed at its first use into $CACHE from its own registry: PyPI, Maven Central, the Go proxy, crates.io.

SAM=aws-sam-cli==1.170.0
CARGO_LAMBDA="cargo-lambda==1.9.2 ziglang==0.17.0"
MOTO="moto[server]==5.2.5"
SCHEMATHESIS=schemathesis==4.32.5
STRIPE_MOCK=v0.203.0
CARGO_DENY=0.20.2
# DynamoDB Local: dynamodb-local/pom.xml

CACHE=${FAIRGROUND_CI_CACHE:-$PWD/.ci/.cache}
LOGS=$CACHE/logs
mkdir -p "$CACHE" "$LOGS"
export SAM_CLI_TELEMETRY=0 PIP_DISABLE_PIP_VERSION_CHECK=1

say() { printf '\n=== %s\n' "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

# python_tool NAME REQUIREMENT...: a virtual environment of its own, so that tools do not quarrel over dependencies.
# Prints the folder of its programs.
python_tool() {
  local name=$1 venv; shift
  venv=$CACHE/$name-$(printf '%s' "$*" | cksum | cut -d' ' -f1)
  if [ ! -e "$venv/.complete" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv" >&2
    "$venv/bin/pip" install --quiet "$@" >&2
    touch "$venv/.complete"
  fi
  echo "$venv/bin"
}

# dynamodb_local: prints the folder of its jars.
dynamodb_local() {
  local lib
  lib=$CACHE/dynamodb-local-$(cksum < .ci/dynamodb-local/pom.xml | cut -d' ' -f1)
  if [ ! -e "$lib/.complete" ]; then
    rm -rf "$lib"
    mvn --quiet --batch-mode -f .ci/dynamodb-local/pom.xml -Dmaven.repo.local="$CACHE/maven" \
      dependency:copy-dependencies -DoutputDirectory="$lib" >&2
    touch "$lib/.complete"
  fi
  echo "$lib"
}

# stripe_mock: prints the path of the program.
stripe_mock() {
  local bin=$CACHE/stripe-mock-$STRIPE_MOCK
  if [ ! -x "$bin/stripe-mock" ]; then
    GOBIN=$bin GOPATH=$CACHE/go GOFLAGS="-buildvcs=false -modcacherw" go install "github.com/stripe/stripe-mock@$STRIPE_MOCK" >&2
  fi
  echo "$bin/stripe-mock"
}

# cargo_deny: prints the path of the program.
cargo_deny() {
  local root=$CACHE/cargo-deny-$CARGO_DENY
  if [ ! -x "$root/bin/cargo-deny" ]; then
    CARGO_TARGET_DIR=$CACHE/cargo-deny-build cargo install --quiet --locked --root "$root" "cargo-deny@$CARGO_DENY" >&2
    rm -rf "$CACHE/cargo-deny-build"
  fi
  echo "$root/bin/cargo-deny"
}

# What a stage started ends with it.
STARTED=()
stop_all() {
  local pid
  for pid in "${STARTED[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${STARTED[@]}"; do wait "$pid" 2>/dev/null || true; done
  STARTED=()
}
trap stop_all EXIT

# start NAME COMMAND...: in the background, its output to $LOGS/NAME.log.
start() {
  local name=$1; shift
  "$@" > "$LOGS/$name.log" 2>&1 &
  STARTED+=($!)
}

# free_port [COUNT]: the first of COUNT consecutive ports that nobody listens on.
free_port() {
  python3 - "${1:-1}" <<'PYTHON'
import random, socket, sys
count = int(sys.argv[1])
while True:
    first = random.randint(20000, 32000)
    sockets = [socket.socket() for _ in range(count)]
    try:
        for offset, one in enumerate(sockets):
            one.bind(("127.0.0.1", first + offset))
    except OSError:
        continue
    finally:
        for one in sockets:
            one.close()
    print(first)
    break
PYTHON
}

# wait_for NAME SECONDS COMMAND...: until the command succeeds; else NAME's log says why not.
wait_for() {
  local name=$1 i attempts=$(($2 * 5)); shift 2
  for ((i = 0; i < attempts; i++)); do
    if "$@" > /dev/null 2>&1; then return 0; fi
    sleep 0.2
  done
  tail -n 40 "$LOGS/$name.log" >&2 || true
  fail "$name is not ready: $*"
}
answers() { curl --silent --output /dev/null --max-time 2 "$1"; }
listens() { (: < "/dev/tcp/127.0.0.1/$1"); }
