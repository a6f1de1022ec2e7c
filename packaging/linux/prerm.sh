#!/bin/sh
# deb: "remove"; rpm: 0. An update leaves the service running.
set -e
case "$1" in
remove | 0)
  if [ -d /run/systemd/system ]; then
    systemctl disable --now volvobridge.service || true
  fi
  ;;
esac
