# Sourced by `up` and `local`, which set $log: lines with elapsed seconds, and signs of life from long steps.
# shellcheck shell=bash

say() { printf '[%4ss] %s\n' "$SECONDS" "$*"; }

slow() { # what command...: its output goes to the log; every 20 seconds the log's last line shows that it is alive
  local what=$1 start=$SECONDS next=$((SECONDS + 20)); shift
  say "$what"
  "$@" >>"$log" 2>&1 &
  slow=$!
  while kill -0 "$slow" 2>/dev/null; do
    sleep 0.3
    [ $SECONDS -lt $next ] || { say "  ... $what, $((SECONDS - start)) s: $(tail -1 "$log" | tr -d '\r' | cut -c1-100)"; next=$((SECONDS + 20)); }
  done
  local status=0
  wait "$slow" || status=$?
  slow=
  return $status
}
slow=
trap '[ -z "$slow" ] || kill "$slow" 2>/dev/null || true' EXIT
