"""own_integration.py DIR VIN AUTH: adds Home Assistant's own Volvo integration, logged in at the simulated cloud, to a
Home Assistant that is down."""
import json, pathlib, sys, time

folder, vin, auth = sys.argv[1:]
file = pathlib.Path(folder) / ".storage/core.config_entries"
entries = json.loads(file.read_text())
entry = dict(next(e for e in entries["data"]["entries"] if e["domain"] == "mqtt"))
token = {"access_token": "simulated-access-token", "refresh_token": "none", "expires_in": 86400, "expires_at": time.time() + 86400, "token_type": "Bearer"}
entry |= {"domain": "volvo", "version": 1, "minor_version": 1, "unique_id": vin, "title": "Volvo", "entry_id": "01VOLVOWNINTEGRATION000000",
          "data": {"auth_implementation": auth, "api_key": "simulated-vcc-api-key", "vin": vin, "token": token}}
entries["data"]["entries"].append(entry)
file.write_text(json.dumps(entries))
