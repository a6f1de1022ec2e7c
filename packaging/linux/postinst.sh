#!/bin/sh
# deb: "configure" and the version before, if there was one; rpm: 1, or 2 after an update.
set -e
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload || true
fi
case "$1:$2" in
configure: | 1:*)
  echo "volvobridge: start it with: systemctl enable --now volvobridge"
  echo "volvobridge: then open http://127.0.0.1:8099/ on this machine, which leads through the set-up"
  ;;
configure:* | 2:*)
  if [ -d /run/systemd/system ]; then
    systemctl try-restart volvobridge.service || true
  fi
  ;;
esac
