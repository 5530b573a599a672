#!/bin/sh
# Generates the client: sh build.sh <openapi.yaml>. Needs the packages of ../requirements.txt.
set -eu
python3 -m openapi_python_client generate --path "$1" --meta none --output-path peergate_client --overwrite
