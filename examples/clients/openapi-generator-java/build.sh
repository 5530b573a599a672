#!/bin/sh
# Generates the client and builds the program: sh build.sh <openapi.yaml>. Needs Maven and the packages of ../requirements.txt.
set -eu
openapi-generator-cli generate --input-spec "$1" --generator-name java --library native --output client \
  --group-id dev.peergate --artifact-id peergate-client --api-package dev.peergate.api --model-package dev.peergate.model \
  --invoker-package dev.peergate --global-property apiTests=false,modelTests=false,apiDocs=false,modelDocs=false
(cd client && mvn --quiet --batch-mode compile dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=lib)
javac -cp 'client/target/classes:client/lib/*' -d classes Tour.java
