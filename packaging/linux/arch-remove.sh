#!/bin/sh
# Arch calls this before the package is removed.
if [ -d /run/systemd/system ]; then
  systemctl disable --now volvobridge.service || true
fi
