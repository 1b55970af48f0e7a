#!/bin/sh
# Compiles what every event passes through with mypyc: `compile.sh SOURCES TARGET`, where SOURCES holds our packages and
# TARGET gets the extension modules in the same folders. The sources run without them, too, only slower.
set -eu
target=$2
cd "$1"
mypyc --ignore-missing-imports holded_worker/dedup.py $(find holded_worker/domain -name '*.py' -not -name '__init__.py' | sort)
find . -name '*.so' -not -path './build/*' | while read -r extension; do
  mkdir -p "$target/$(dirname "$extension")"
  mv "$extension" "$target/$extension"
done
