"""Reads every resource and runs every command with volvocarsapi, a public client of Volvo's API.

Usage: client.py URL KEY TOKEN. It prints one line for each call and exits with 1 after an error.
"""
import asyncio
import sys

import aiohttp
from volvocarsapi import api as client
from volvocarsapi.auth import AccessTokenManager

URL, KEY, TOKEN = sys.argv[1:4]
client._API_URL = URL  # the one thing to change: where the cloud is

READS = [name for name in dir(client.VolvoCarsApi) if name.startswith("async_get_")
         and name not in ("async_get_access_token", "async_get_api_status", "async_get_recharge_status", "async_get_vehicles")]


class Token(AccessTokenManager):
    async def async_get_access_token(self):
        return TOKEN


async def main():
    calls = 0
    async with aiohttp.ClientSession() as session:
        api = client.VolvoCarsApi(session, Token(session), KEY)
        vins = await api.async_get_vehicles()
        assert len(vins) == 3, vins
        for vin in vins:
            for name in READS:
                answer = await getattr(api, name)(vin)
                assert answer, f"{name} of {vin} is empty"
                calls += 1
            for command in await api.async_get_commands(vin):
                body = {"runtimeMinutes": 5} if command.command == "ENGINE_START" else {}
                name = command.href.rsplit("/", 1)[1]
                result = await api.async_execute_command(name, body, vin)
                assert result.invoke_status == "COMPLETED", (name, result)
                calls += 1
    print(f"{len(vins)} cars, {calls} calls without an error")


asyncio.run(main())
