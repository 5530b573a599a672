#!/bin/sh
# Generates the types of the client and checks the types of the program: sh build.sh <openapi.yaml>
set -eu
npm ci --no-audit --no-fund --prefer-offline
node_modules/.bin/openapi-typescript "$1" --output peergate.d.ts
node_modules/.bin/tsc -p .
