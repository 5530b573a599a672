-- CreateTable
CREATE TABLE "Log" (
    "id" INTEGER NOT NULL,
    "epoch" TEXT NOT NULL,
    "pruneCount" BIGINT NOT NULL DEFAULT 0,

    CONSTRAINT "Log_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Message" (
    "seq" BIGSERIAL NOT NULL,
    "id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "topic" TEXT,
    "recipient" TEXT,
    "author" TEXT NOT NULL,
    "sequence" BYTEA NOT NULL,
    "dataAbsent" BOOLEAN NOT NULL,
    "signature" BYTEA NOT NULL,
    "publicKey" BYTEA,
    "receivedAt" BIGINT NOT NULL,
    "data" BYTEA NOT NULL,

    CONSTRAINT "Message_pkey" PRIMARY KEY ("seq")
);

-- CreateTable
CREATE TABLE "Topic" (
    "name" TEXT NOT NULL,
    "joined" BOOLEAN NOT NULL DEFAULT false,
    "messages" BIGINT NOT NULL DEFAULT 0,
    "bytes" BIGINT NOT NULL DEFAULT 0,
    "firstSeq" BIGINT NOT NULL DEFAULT 0,
    "lastSeq" BIGINT NOT NULL DEFAULT 0,
    "prunedThrough" BIGINT NOT NULL DEFAULT 0,
    "prunedAt" BIGINT NOT NULL DEFAULT 0,
    "maxAgeMs" BIGINT,
    "maxMessages" BIGINT,
    "maxBytes" BIGINT,

    CONSTRAINT "Topic_pkey" PRIMARY KEY ("name")
);

-- CreateTable
CREATE TABLE "SeenId" (
    "id" TEXT NOT NULL,
    "seenAt" BIGINT NOT NULL,

    CONSTRAINT "SeenId_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "IdempotencyKey" (
    "key" TEXT NOT NULL,
    "fingerprint" BYTEA NOT NULL,
    "items" TEXT NOT NULL,
    "createdAt" BIGINT NOT NULL,

    CONSTRAINT "IdempotencyKey_pkey" PRIMARY KEY ("key")
);

-- CreateTable
CREATE TABLE "SentMark" (
    "author" TEXT NOT NULL,
    "through" BIGINT NOT NULL,

    CONSTRAINT "SentMark_pkey" PRIMARY KEY ("author")
);

-- CreateTable
CREATE TABLE "Peer" (
    "peerId" TEXT NOT NULL,
    "addresses" TEXT NOT NULL,
    "agent" TEXT,
    "protocols" TEXT NOT NULL,
    "label" TEXT,
    "blocked" BOOLEAN NOT NULL DEFAULT false,
    "firstSeen" BIGINT NOT NULL,
    "lastSeen" BIGINT NOT NULL,

    CONSTRAINT "Peer_pkey" PRIMARY KEY ("peerId")
);

-- CreateTable
CREATE TABLE "Record" (
    "key" TEXT NOT NULL,
    "value" BYTEA NOT NULL,

    CONSTRAINT "Record_pkey" PRIMARY KEY ("key")
);

-- CreateIndex
CREATE UNIQUE INDEX "Message_id_key" ON "Message"("id");

-- CreateIndex
CREATE INDEX "Message_topic_seq_idx" ON "Message"("topic", "seq");

-- CreateIndex
CREATE INDEX "SeenId_seenAt_idx" ON "SeenId"("seenAt");

-- CreateIndex
CREATE INDEX "IdempotencyKey_createdAt_idx" ON "IdempotencyKey"("createdAt");

-- CreateIndex
CREATE INDEX "Peer_lastSeen_idx" ON "Peer"("lastSeen");
