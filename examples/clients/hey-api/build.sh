#!/bin/sh
# Generates the client and checks the types of the program: sh build.sh <openapi.yaml>
set -eu
npm ci --no-audit --no-fund --prefer-offline
node_modules/.bin/openapi-ts --input "$1"
node_modules/.bin/tsc -p .
