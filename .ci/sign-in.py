"""Prints an access token of the local cloud's demo superadmin: sign-in.py BASE_URL."""

import json
import sys
import urllib.request

base = sys.argv[1]
with urllib.request.urlopen(f"{base}/_local/demo") as answer:
    users = json.load(answer)["users"]
user = next((user for user in users if user["role"] == "superadmin"), users[0])
request = urllib.request.Request(
    f"{base}/tickets/api/auth/login",
    json.dumps({"email": user["email"], "password": user["password"]}).encode(),
    {"content-type": "application/json"},
)
with urllib.request.urlopen(request) as answer:
    print(json.load(answer)["accessToken"])
