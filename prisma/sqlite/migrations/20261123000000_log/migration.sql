-- CreateTable
CREATE TABLE "Log" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "epoch" TEXT NOT NULL,
    "pruneCount" BIGINT NOT NULL DEFAULT 0,
    "forgottenThrough" BIGINT NOT NULL DEFAULT 0,
    "forgottenAt" BIGINT NOT NULL DEFAULT 0
);

-- CreateTable
-- AUTOINCREMENT, which only an INTEGER can have, never gives a number twice. Prisma would write BIGINT here.
CREATE TABLE "Message" (
    "seq" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "id" TEXT NOT NULL,
    "topic" TEXT,
    "recipient" TEXT,
    "author" TEXT NOT NULL,
    "sequence" BLOB NOT NULL,
    "dataAbsent" BOOLEAN NOT NULL,
    "signature" BLOB NOT NULL,
    "publicKey" BLOB,
    "receivedAt" BIGINT NOT NULL,
    "firstSeenAt" BIGINT,
    "storedAt" BIGINT NOT NULL,
    "checksum" INTEGER NOT NULL,
    "sum" BIGINT NOT NULL,
    "data" BLOB NOT NULL
);

-- CreateTable
CREATE TABLE "Clock" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "generation" BIGINT NOT NULL,
    "age" BIGINT NOT NULL,
    "wall" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "Topic" (
    "name" TEXT NOT NULL PRIMARY KEY,
    "joined" BOOLEAN NOT NULL DEFAULT false,
    "joinedAt" BIGINT,
    "messages" BIGINT NOT NULL DEFAULT 0,
    "bytes" BIGINT NOT NULL DEFAULT 0,
    "firstSeq" BIGINT NOT NULL DEFAULT 0,
    "lastSeq" BIGINT NOT NULL DEFAULT 0,
    "prunedThrough" BIGINT NOT NULL DEFAULT 0,
    "prunedAt" BIGINT NOT NULL DEFAULT 0,
    "emptySince" BIGINT DEFAULT 0,
    "maxAgeMs" BIGINT,
    "maxMessages" BIGINT,
    "maxBytes" BIGINT
);

-- CreateTable
CREATE TABLE "TopicJoin" (
    "topic" TEXT NOT NULL,
    "client" TEXT NOT NULL,
    "explicit" BOOLEAN NOT NULL,
    "joinedAt" BIGINT NOT NULL,
    "usedAt" BIGINT NOT NULL,

    PRIMARY KEY ("topic", "client")
);

-- CreateTable
CREATE TABLE "SeenId" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "seenAt" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "Damage" (
    "seq" BIGINT NOT NULL,
    "id" TEXT NOT NULL,
    "topic" TEXT,
    "firstSeenAt" BIGINT NOT NULL,
    "foundAt" BIGINT,
    "deleted" BOOLEAN NOT NULL DEFAULT false,

    PRIMARY KEY ("seq", "id")
);

-- CreateTable
CREATE TABLE "IdempotencyKey" (
    "key" TEXT NOT NULL PRIMARY KEY,
    "fingerprint" BLOB NOT NULL,
    "items" TEXT NOT NULL,
    "createdAt" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "SentMark" (
    "author" TEXT NOT NULL PRIMARY KEY,
    "through" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "Peer" (
    "peerId" TEXT NOT NULL PRIMARY KEY,
    "addresses" TEXT NOT NULL,
    "agent" TEXT,
    "protocols" TEXT NOT NULL,
    "label" TEXT,
    "blocked" BOOLEAN NOT NULL DEFAULT false,
    "firstSeen" BIGINT NOT NULL,
    "lastSeen" BIGINT NOT NULL,
    "seenAge" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "Record" (
    "key" TEXT NOT NULL PRIMARY KEY,
    "value" BLOB NOT NULL
);

-- CreateTable
CREATE TABLE "Gateway" (
    "peerId" TEXT NOT NULL PRIMARY KEY,
    "about" TEXT NOT NULL,
    "startedAt" BIGINT NOT NULL,
    "seenAt" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "Token" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "name" TEXT NOT NULL,
    "hash" BLOB NOT NULL,
    "actions" TEXT NOT NULL,
    "topics" TEXT NOT NULL,
    "createdAt" BIGINT NOT NULL,
    "expiresAt" BIGINT,
    "lastUsedAt" BIGINT
);

-- CreateTable
CREATE TABLE "Session" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "holder" TEXT NOT NULL,
    "basis" TEXT NOT NULL,
    "createdAt" BIGINT NOT NULL,
    "expiresAt" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "AuditEntry" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "at" BIGINT NOT NULL,
    "actor" TEXT NOT NULL,
    "act" TEXT NOT NULL,
    "detail" TEXT NOT NULL
);

-- CreateTable
CREATE TABLE "Delivery" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "messageId" TEXT NOT NULL,
    "recipient" TEXT NOT NULL,
    "client" TEXT NOT NULL DEFAULT '',
    "state" TEXT NOT NULL,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "lastError" TEXT,
    "bytes" INTEGER NOT NULL,
    "expiresAt" BIGINT NOT NULL,
    "createdAt" BIGINT NOT NULL,
    "updatedAt" BIGINT NOT NULL,
    "idempotencyKey" TEXT,
    "fingerprint" BLOB,
    "checksum" INTEGER NOT NULL,
    "envelope" BLOB NOT NULL
);

-- CreateTable
CREATE TABLE "Outbox" (
    "recipient" TEXT NOT NULL PRIMARY KEY,
    "client" TEXT NOT NULL DEFAULT '',
    "dueAt" BIGINT NOT NULL,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "claimedBy" TEXT,
    "claimedUntil" BIGINT NOT NULL DEFAULT 0
);

-- CreateTable
CREATE TABLE "Consumer" (
    "name" TEXT NOT NULL PRIMARY KEY,
    "client" TEXT NOT NULL,
    "settings" TEXT NOT NULL,
    "createdAt" BIGINT NOT NULL,
    "position" BIGINT NOT NULL,
    "prunedSince" BIGINT NOT NULL,
    "gaps" INTEGER NOT NULL DEFAULT 0,
    "gapFrom" BIGINT,
    "gapTo" BIGINT
);

-- CreateTable
CREATE TABLE "ConsumerItem" (
    "consumer" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "seq" BIGINT NOT NULL,
    "lane" TEXT,
    "attempt" INTEGER NOT NULL,
    "dueAt" BIGINT NOT NULL,
    "claimedBy" TEXT,
    "claim" TEXT,

    PRIMARY KEY ("consumer", "id")
);

-- CreateTable
CREATE TABLE "Webhook" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "owner" TEXT NOT NULL,
    "client" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "settings" TEXT NOT NULL,
    "secrets" TEXT NOT NULL,
    "progress" TEXT NOT NULL,
    "rightsUntil" BIGINT,
    "revision" INTEGER NOT NULL DEFAULT 0,
    "claimedBy" TEXT,
    "claimedUntil" BIGINT NOT NULL DEFAULT 0,
    "createdAt" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "WebhookAttempt" (
    "webhook" TEXT NOT NULL,
    "slot" INTEGER NOT NULL,
    "number" INTEGER NOT NULL,
    "attempt" TEXT NOT NULL,

    PRIMARY KEY ("webhook", "slot")
);

-- CreateIndex
CREATE UNIQUE INDEX "Message_id_key" ON "Message"("id");

-- CreateIndex
CREATE INDEX "Message_topic_seq_idx" ON "Message"("topic", "seq");

-- CreateIndex
CREATE INDEX "Topic_joined_name_idx" ON "Topic"("joined", "name");

-- CreateIndex
CREATE INDEX "Topic_prunedAt_idx" ON "Topic"("prunedAt");

-- CreateIndex
CREATE INDEX "Topic_emptySince_idx" ON "Topic"("emptySince");

-- CreateIndex
CREATE INDEX "TopicJoin_client_idx" ON "TopicJoin"("client");

-- CreateIndex
CREATE INDEX "TopicJoin_usedAt_idx" ON "TopicJoin"("usedAt");

-- CreateIndex
CREATE INDEX "SeenId_seenAt_idx" ON "SeenId"("seenAt");

-- CreateIndex
CREATE INDEX "Damage_topic_seq_idx" ON "Damage"("topic", "seq");

-- CreateIndex
CREATE INDEX "Damage_foundAt_idx" ON "Damage"("foundAt");

-- CreateIndex
CREATE INDEX "IdempotencyKey_createdAt_idx" ON "IdempotencyKey"("createdAt");

-- CreateIndex
CREATE INDEX "Peer_blocked_peerId_idx" ON "Peer"("blocked", "peerId");

-- CreateIndex
CREATE INDEX "Peer_blocked_label_seenAge_idx" ON "Peer"("blocked", "label", "seenAge");

-- CreateIndex
CREATE UNIQUE INDEX "Token_hash_key" ON "Token"("hash");

-- CreateIndex
CREATE INDEX "Token_createdAt_id_idx" ON "Token"("createdAt", "id");

-- CreateIndex
CREATE INDEX "Session_holder_createdAt_idx" ON "Session"("holder", "createdAt");

-- CreateIndex
CREATE INDEX "Session_expiresAt_idx" ON "Session"("expiresAt");

-- CreateIndex
CREATE INDEX "AuditEntry_at_idx" ON "AuditEntry"("at");

-- CreateIndex
CREATE UNIQUE INDEX "Delivery_idempotencyKey_key" ON "Delivery"("idempotencyKey");

-- CreateIndex
CREATE INDEX "Delivery_state_recipient_id_idx" ON "Delivery"("state", "recipient", "id");

-- CreateIndex
CREATE INDEX "Delivery_state_id_idx" ON "Delivery"("state", "id");

-- CreateIndex
CREATE INDEX "Delivery_recipient_id_idx" ON "Delivery"("recipient", "id");

-- CreateIndex
CREATE INDEX "Delivery_state_expiresAt_idx" ON "Delivery"("state", "expiresAt");

-- CreateIndex
CREATE INDEX "Delivery_state_client_bytes_idx" ON "Delivery"("state", "client", "bytes");

-- CreateIndex
CREATE INDEX "Delivery_updatedAt_idx" ON "Delivery"("updatedAt");

-- CreateIndex
CREATE INDEX "Outbox_client_dueAt_idx" ON "Outbox"("client", "dueAt");

-- CreateIndex
CREATE INDEX "ConsumerItem_consumer_dueAt_seq_idx" ON "ConsumerItem"("consumer", "dueAt", "seq");

-- CreateIndex
CREATE INDEX "ConsumerItem_consumer_lane_seq_idx" ON "ConsumerItem"("consumer", "lane", "seq");

-- CreateIndex
CREATE INDEX "Webhook_state_claimedUntil_idx" ON "Webhook"("state", "claimedUntil");

-- CreateIndex
CREATE INDEX "Webhook_claimedBy_idx" ON "Webhook"("claimedBy");

-- CreateIndex
CREATE INDEX "Webhook_owner_id_idx" ON "Webhook"("owner", "id");

-- CreateIndex
CREATE INDEX "Webhook_client_idx" ON "Webhook"("client");
