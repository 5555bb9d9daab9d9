# Sourced by the scripts beside it, with $root set: what a fresh machine lacks. Needs Node >= 20, npm and git.

say() { printf '%s\n' "$*" >&2; }

need() {
  command -v "$1" >/dev/null 2>&1 && return
  say "$(basename "$0"): $1 is missing. Install Node 20 or newer (it brings npm) and git, then run this again."
  exit 1
}

install_packages() {
  need node
  need npm
  need git
  if ! node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)'; then
    say "$(basename "$0"): Node $(node -v) is too old. Install Node 20 or newer, then run this again."
    exit 1
  fi
  installed=$root/node_modules/.flotilla-installed
  [ -x "$root/node_modules/.bin/node" ] && cmp -s "$root/package-lock.json" "$installed" && return
  # A tree that is there is brought up to date and not taken away: something may be running from it.
  if [ -d "$root/node_modules" ]; then how='install --no-save'; else how=ci; fi
  say "Installing packages (npm $how; the first time takes a minute) ..."
  # shellcheck disable=SC2086 # two words
  if ! (cd "$root" && npm $how --no-audit --no-fund --loglevel=error >&2); then
    say "npm $how failed: is the registry reachable? \`npm ping\` tells."
    exit 1
  fi
  cp "$root/package-lock.json" "$installed"
}

install_packages
# Node 24, before whatever else the machine has.
PATH=$root/node_modules/.bin:$PATH
export PATH
