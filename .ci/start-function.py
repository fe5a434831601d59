"""Starts a function's binary as Lambda starts it: start-function.py NAME ENVIRONMENT.json HOST:PORT of the Runtime API."""

import json
import os
import sys

name, environment, api = sys.argv[1:]
with open(environment, encoding="utf-8") as file:
    variables = json.load(file)
bootstrap = f"target/lambda/{name}/bootstrap"
os.execve(
    bootstrap,
    [bootstrap],
    {
        "AWS_LAMBDA_RUNTIME_API": f"http://{api}/.rt/{name}",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "RUST_BACKTRACE": "1",
        **{key: str(value) for key, value in variables.items()},
    },
)
