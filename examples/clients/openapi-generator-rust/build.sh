#!/bin/sh
# Generates the client and builds the program: sh build.sh <openapi.yaml>. Needs Java and the packages of ../requirements.txt.
set -eu
openapi-generator-cli generate --input-spec "$1" --generator-name rust --output client --package-name peergate_client \
  --global-property apiTests=false,modelTests=false,apiDocs=false,modelDocs=false
cargo build --quiet --locked
cp "${CARGO_TARGET_DIR:-target}/debug/tour" tour
