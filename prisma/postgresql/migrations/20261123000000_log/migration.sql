-- Text is compared by code points, whatever the locale of the database: names are listed in this order, and Prisma has no word for it.

-- CreateTable
CREATE TABLE "Log" (
    "id" INTEGER NOT NULL,
    "epoch" TEXT COLLATE "C" NOT NULL,
    "pruneCount" BIGINT NOT NULL DEFAULT 0,
    "forgottenThrough" BIGINT NOT NULL DEFAULT 0,
    "forgottenAt" BIGINT NOT NULL DEFAULT 0,
    "tip" BIGINT NOT NULL DEFAULT 0,

    CONSTRAINT "Log_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Message" (
    "seq" BIGSERIAL NOT NULL,
    "id" TEXT COLLATE "C" NOT NULL,
    "topic" TEXT COLLATE "C",
    "recipient" TEXT COLLATE "C",
    "author" TEXT COLLATE "C" NOT NULL,
    "sequence" BYTEA NOT NULL,
    "dataAbsent" BOOLEAN NOT NULL,
    "signature" BYTEA NOT NULL,
    "publicKey" BYTEA,
    "receivedAt" BIGINT NOT NULL,
    "firstSeenAt" BIGINT,
    "storedAt" BIGINT NOT NULL,
    "checksum" INTEGER NOT NULL,
    "sum" BIGINT NOT NULL,
    "data" BYTEA NOT NULL,

    CONSTRAINT "Message_pkey" PRIMARY KEY ("seq")
);

-- CreateTable
CREATE TABLE "Clock" (
    "id" INTEGER NOT NULL,
    "generation" BIGINT NOT NULL,
    "age" BIGINT NOT NULL,
    "wall" BIGINT NOT NULL,

    CONSTRAINT "Clock_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Topic" (
    "name" TEXT COLLATE "C" NOT NULL,
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
    "maxBytes" BIGINT,

    CONSTRAINT "Topic_pkey" PRIMARY KEY ("name")
);

-- CreateTable
CREATE TABLE "TopicJoin" (
    "topic" TEXT COLLATE "C" NOT NULL,
    "client" TEXT COLLATE "C" NOT NULL,
    "explicit" BOOLEAN NOT NULL,
    "joinedAt" BIGINT NOT NULL,
    "usedAt" BIGINT NOT NULL,

    CONSTRAINT "TopicJoin_pkey" PRIMARY KEY ("topic","client")
);

-- CreateTable
CREATE TABLE "SeenId" (
    "id" TEXT COLLATE "C" NOT NULL,
    "seenAt" BIGINT NOT NULL,

    CONSTRAINT "SeenId_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Damage" (
    "seq" BIGINT NOT NULL,
    "id" TEXT COLLATE "C" NOT NULL,
    "topic" TEXT COLLATE "C",
    "firstSeenAt" BIGINT NOT NULL,
    "foundAt" BIGINT,
    "deleted" BOOLEAN NOT NULL DEFAULT false,

    CONSTRAINT "Damage_pkey" PRIMARY KEY ("seq","id")
);

-- CreateTable
CREATE TABLE "IdempotencyKey" (
    "key" TEXT COLLATE "C" NOT NULL,
    "fingerprint" BYTEA NOT NULL,
    "items" TEXT COLLATE "C" NOT NULL,
    "createdAt" BIGINT NOT NULL,

    CONSTRAINT "IdempotencyKey_pkey" PRIMARY KEY ("key")
);

-- CreateTable
CREATE TABLE "SentMark" (
    "author" TEXT COLLATE "C" NOT NULL,
    "through" BIGINT NOT NULL,

    CONSTRAINT "SentMark_pkey" PRIMARY KEY ("author")
);

-- CreateTable
CREATE TABLE "Peer" (
    "peerId" TEXT COLLATE "C" NOT NULL,
    "addresses" TEXT COLLATE "C" NOT NULL,
    "agent" TEXT COLLATE "C",
    "protocols" TEXT COLLATE "C" NOT NULL,
    "label" TEXT COLLATE "C",
    "blocked" BOOLEAN NOT NULL DEFAULT false,
    "firstSeen" BIGINT NOT NULL,
    "lastSeen" BIGINT NOT NULL,
    "seenAge" BIGINT NOT NULL,

    CONSTRAINT "Peer_pkey" PRIMARY KEY ("peerId")
);

-- CreateTable
CREATE TABLE "Record" (
    "key" TEXT COLLATE "C" NOT NULL,
    "value" BYTEA NOT NULL,

    CONSTRAINT "Record_pkey" PRIMARY KEY ("key")
);

-- CreateTable
CREATE TABLE "Gateway" (
    "peerId" TEXT COLLATE "C" NOT NULL,
    "about" TEXT COLLATE "C" NOT NULL,
    "startedAt" BIGINT NOT NULL,
    "seenAt" BIGINT NOT NULL,

    CONSTRAINT "Gateway_pkey" PRIMARY KEY ("peerId")
);

-- CreateTable
CREATE TABLE "Token" (
    "id" TEXT COLLATE "C" NOT NULL,
    "name" TEXT COLLATE "C" NOT NULL,
    "hash" BYTEA NOT NULL,
    "actions" TEXT COLLATE "C" NOT NULL,
    "topics" TEXT COLLATE "C" NOT NULL,
    "createdAt" BIGINT NOT NULL,
    "expiresAt" BIGINT,
    "lastUsedAt" BIGINT,

    CONSTRAINT "Token_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Session" (
    "id" TEXT COLLATE "C" NOT NULL,
    "holder" TEXT COLLATE "C" NOT NULL,
    "basis" TEXT COLLATE "C" NOT NULL,
    "createdAt" BIGINT NOT NULL,
    "expiresAt" BIGINT NOT NULL,

    CONSTRAINT "Session_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "AuditEntry" (
    "id" TEXT COLLATE "C" NOT NULL,
    "at" BIGINT NOT NULL,
    "actor" TEXT COLLATE "C" NOT NULL,
    "act" TEXT COLLATE "C" NOT NULL,
    "detail" TEXT COLLATE "C" NOT NULL,

    CONSTRAINT "AuditEntry_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Delivery" (
    "id" TEXT COLLATE "C" NOT NULL,
    "messageId" TEXT COLLATE "C" NOT NULL,
    "recipient" TEXT COLLATE "C" NOT NULL,
    "client" TEXT COLLATE "C" NOT NULL DEFAULT '',
    "state" TEXT COLLATE "C" NOT NULL,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "lastError" TEXT COLLATE "C",
    "bytes" INTEGER NOT NULL,
    "expiresAt" BIGINT NOT NULL,
    "createdAt" BIGINT NOT NULL,
    "updatedAt" BIGINT NOT NULL,
    "idempotencyKey" TEXT COLLATE "C",
    "fingerprint" BYTEA,
    "checksum" INTEGER NOT NULL,
    "envelope" BYTEA NOT NULL,

    CONSTRAINT "Delivery_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Outbox" (
    "recipient" TEXT COLLATE "C" NOT NULL,
    "client" TEXT COLLATE "C" NOT NULL DEFAULT '',
    "dueAt" BIGINT NOT NULL,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "claimedBy" TEXT COLLATE "C",
    "claimedUntil" BIGINT NOT NULL DEFAULT 0,

    CONSTRAINT "Outbox_pkey" PRIMARY KEY ("recipient")
);

-- CreateTable
CREATE TABLE "Consumer" (
    "name" TEXT COLLATE "C" NOT NULL,
    "client" TEXT COLLATE "C" NOT NULL,
    "settings" TEXT COLLATE "C" NOT NULL,
    "createdAt" BIGINT NOT NULL,
    "position" BIGINT NOT NULL,
    "prunedSince" BIGINT NOT NULL,
    "gaps" INTEGER NOT NULL DEFAULT 0,
    "gapFrom" BIGINT,
    "gapTo" BIGINT,

    CONSTRAINT "Consumer_pkey" PRIMARY KEY ("name")
);

-- CreateTable
CREATE TABLE "ConsumerItem" (
    "consumer" TEXT COLLATE "C" NOT NULL,
    "id" TEXT COLLATE "C" NOT NULL,
    "seq" BIGINT NOT NULL,
    "lane" TEXT COLLATE "C",
    "attempt" INTEGER NOT NULL,
    "dueAt" BIGINT NOT NULL,
    "claimedBy" TEXT COLLATE "C",
    "claim" TEXT COLLATE "C",

    CONSTRAINT "ConsumerItem_pkey" PRIMARY KEY ("consumer","id")
);

-- CreateTable
CREATE TABLE "Webhook" (
    "id" TEXT COLLATE "C" NOT NULL,
    "owner" TEXT COLLATE "C" NOT NULL,
    "client" TEXT COLLATE "C" NOT NULL,
    "state" TEXT COLLATE "C" NOT NULL,
    "settings" TEXT COLLATE "C" NOT NULL,
    "secrets" TEXT COLLATE "C" NOT NULL,
    "progress" TEXT COLLATE "C" NOT NULL,
    "rightsUntil" BIGINT,
    "revision" INTEGER NOT NULL DEFAULT 0,
    "claimedBy" TEXT COLLATE "C",
    "claimedUntil" BIGINT NOT NULL DEFAULT 0,
    "createdAt" BIGINT NOT NULL,

    CONSTRAINT "Webhook_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "WebhookAttempt" (
    "webhook" TEXT COLLATE "C" NOT NULL,
    "slot" INTEGER NOT NULL,
    "number" INTEGER NOT NULL,
    "attempt" TEXT COLLATE "C" NOT NULL,

    CONSTRAINT "WebhookAttempt_pkey" PRIMARY KEY ("webhook","slot")
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
