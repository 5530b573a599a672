/**
 * The log's write transactions, each a function and therefore one round trip. They are created per session, not stored
 * in the database, so that gateways of two versions can write side by side, each with its own. All take one advisory
 * lock, held until the commit: the order of seqs is the order of commits, and a reader up to a tip misses nothing below
 * it.
 */

/** Lock of this schema's log; other applications in the database are unlikely to use the first key. */
const takeLock = `PERFORM pg_advisory_xact_lock(x'50656572'::int, hashtext(current_schema()))`

/**
 * True for a row `m` whose seq or times were damaged on disk (checksum.ts); computed as numeric, which no sum of four
 * columns overflows.
 */
export const sumIsWrong = '(m."sum" <> m."seq"::numeric + m."receivedAt" + m."storedAt" + coalesce(m."firstSeenAt", 0))'

export const channel = 'peergate'

/** Condition for a topic that can be forgotten. */
const isForgettable = `NOT t."joined" AND t."maxAgeMs" IS NULL AND t."maxMessages" IS NULL AND t."maxBytes" IS NULL AND t."name" <> ''`

/**
 * The bytes of all messages are concatenated in one value (for each: sequence, signature, public key, data), since
 * arrays of bytes are transferred as text. `p_lengths` has four lengths per message; that of the key is -1 when there
 * is none.
 */
const append = `CREATE OR REPLACE FUNCTION pg_temp.peergate_append(
  p_origin text, p_ids text[], p_topics text[], p_recipients text[], p_authors text[], p_received bigint[], p_first_seen bigint[], p_stored bigint[], p_absent boolean[], p_checksums integer[], p_starts integer[],
  p_lengths integer[], p_bytes bytea,
  p_keys text[], p_fingerprints text[], p_firsts integer[], p_counts integer[], p_created bigint[], p_since bigint[])
RETURNS TABLE (previous bigint, place integer, number bigint, received bigint, taken text[], log_epoch text) LANGUAGE plpgsql AS $function$
DECLARE
  v_tip bigint;
  v_forgotten_through bigint;
  v_forgotten_at bigint;
  v_latest bigint;
  v_taken text[];
  v_epoch text;
BEGIN
  ${takeLock};
  SELECT "tip", "forgottenThrough", "forgottenAt", "epoch" INTO STRICT v_tip, v_forgotten_through, v_forgotten_at, v_epoch FROM "Log" WHERE "id" = 1;
  -- A time that was damaged on disk is ignored.
  SELECT coalesce((SELECT m."receivedAt" FROM "Message" AS m WHERE NOT ${sumIsWrong} ORDER BY m."seq" DESC LIMIT 1), 0) INTO v_latest;
  SELECT coalesce(array_agg(k.key), '{}') INTO v_taken FROM unnest(p_keys, p_since) AS k(key, since)
    JOIN "IdempotencyKey" AS i ON i."key" = k.key AND i."createdAt" >= k.since;
  RETURN QUERY
  WITH given AS MATERIALIZED (
    SELECT m.*, m.ord::integer AS at, p_lengths[m.ord * 4 - 3] AS l1, p_lengths[m.ord * 4 - 2] AS l2, p_lengths[m.ord * 4 - 1] AS l3,
      p_lengths[m.ord * 4] AS l4
    FROM unnest(p_ids, p_topics, p_recipients, p_authors, p_received, p_first_seen, p_stored, p_absent, p_checksums, p_starts)
      WITH ORDINALITY AS m(id, topic, recipient, author, given_at, first_seen, stored_at, absent, checksum, start, ord)
  ), refused AS (
    SELECT generate_series(k.first + 1, k.first + k.count) AS at FROM unnest(p_keys, p_firsts, p_counts) AS k(key, first, count)
    WHERE k.key = ANY(v_taken)
  ), fresh AS (
    SELECT DISTINCT ON (g.id) g.* FROM given AS g
    WHERE NOT EXISTS (SELECT 1 FROM refused AS r WHERE r.at = g.at)
      AND NOT EXISTS (SELECT 1 FROM "Message" AS m WHERE m."id" = g.id)
      AND NOT EXISTS (SELECT 1 FROM "SeenId" AS s WHERE s."id" = g.id)
    ORDER BY g.id, g.at
  ), numbered AS MATERIALIZED (
    -- Time in the log never goes back, whatever the clock of a gateway did.
    SELECT f.*, v_tip + row_number() OVER (ORDER BY f.at) AS seq, greatest(v_latest, max(f.given_at) OVER (ORDER BY f.at)) AS received_at
    FROM fresh AS f
  ), stored AS (
    INSERT INTO "Message" ("seq", "id", "topic", "recipient", "author", "sequence", "dataAbsent", "signature", "publicKey", "receivedAt", "firstSeenAt", "storedAt", "checksum", "sum", "data")
    SELECT n.seq, n.id, n.topic, n.recipient, n.author, substring(p_bytes FROM n.start + 1 FOR n.l1), n.absent,
      substring(p_bytes FROM n.start + n.l1 + 1 FOR n.l2),
      CASE WHEN n.l3 >= 0 THEN substring(p_bytes FROM n.start + n.l1 + n.l2 + 1 FOR n.l3) END, n.received_at, n.first_seen, n.stored_at, n.checksum,
      n.seq + n.received_at + n.stored_at + coalesce(n.first_seen, 0),
      substring(p_bytes FROM n.start + n.l1 + n.l2 + greatest(n.l3, 0) + 1 FOR n.l4)
    FROM numbered AS n
  ), counted AS (
    -- For what a forgotten topic (emptySince 0) had before, only the common mark of forgotten topics is known.
    INSERT INTO "Topic" AS t ("name", "messages", "bytes", "firstSeq", "lastSeq", "emptySince", "prunedThrough", "prunedAt")
    SELECT n.topic, count(*), sum(n.l4), min(n.seq), max(n.seq), NULL, v_forgotten_through, v_forgotten_at FROM numbered AS n GROUP BY n.topic
    ON CONFLICT ("name") DO UPDATE SET "emptySince" = NULL,
      "prunedThrough" = CASE WHEN t."emptySince" = 0 THEN greatest(t."prunedThrough", v_forgotten_through) ELSE t."prunedThrough" END,
      "prunedAt" = CASE WHEN t."emptySince" = 0 THEN greatest(t."prunedAt", v_forgotten_at) ELSE t."prunedAt" END,
      "firstSeq" = CASE WHEN t."messages" = 0 THEN excluded."firstSeq" ELSE t."firstSeq" END,
      "messages" = t."messages" + excluded."messages", "bytes" = t."bytes" + excluded."bytes", "lastSeq" = excluded."lastSeq"
  ), moved AS (
    UPDATE "Log" SET "tip" = v_tip + (SELECT count(*) FROM numbered) WHERE "id" = 1 AND EXISTS (SELECT 1 FROM numbered)
  ), keyed AS (
    INSERT INTO "IdempotencyKey" ("key", "fingerprint", "items", "createdAt")
    SELECT k.key, decode(k.fingerprint, 'hex'),
      (SELECT json_agg(json_build_object('id', n.id, 'topic', n.topic, 'seq', n.seq, 'recipients', 0) ORDER BY n.at)::text
        FROM numbered AS n WHERE n.at > k.first AND n.at <= k.first + k.count),
      k.created
    FROM unnest(p_keys, p_fingerprints, p_firsts, p_counts, p_created) AS k(key, fingerprint, first, count, created)
    WHERE NOT k.key = ANY(v_taken)
    ON CONFLICT ("key") DO UPDATE SET
      "fingerprint" = excluded."fingerprint", "items" = excluded."items", "createdAt" = excluded."createdAt"
  )
  SELECT v_tip, n.at, n.seq, n.received_at, v_taken, v_epoch FROM numbered AS n UNION ALL SELECT v_tip, NULL, NULL, NULL, v_taken, v_epoch;
  PERFORM pg_notify('${channel}', json_build_object('by', p_origin, 'kind', 'log')::text);
END $function$`

/**
 * Removes the oldest messages of a topic that exceed its retention, up to the first that does not, or all up to
 * `p_through`, unless that is null. `broken` is the seq of a row at which it stopped because its time is damaged and
 * does not tell its age.
 */
const prune = `CREATE OR REPLACE FUNCTION pg_temp.peergate_prune(
  p_origin text, p_topic text, p_limit integer, p_now bigint, p_through bigint, p_age bigint, p_count bigint, p_size bigint)
RETURNS TABLE (last_seq bigint, step bigint, removed bigint, removed_bytes bigint, broken bigint) LANGUAGE plpgsql AS $function$
DECLARE
  v_topic "Topic"%ROWTYPE;
  v_through bigint;
  v_messages bigint;
  v_bytes bigint;
  v_step bigint;
  v_broken bigint;
BEGIN
  ${takeLock};
  SELECT * INTO v_topic FROM "Topic" WHERE "name" = p_topic;
  IF NOT FOUND THEN RETURN; END IF;
  p_age := coalesce(v_topic."maxAgeMs", p_age);
  p_count := coalesce(v_topic."maxMessages", p_count);
  p_size := coalesce(v_topic."maxBytes", p_size);
  WITH oldest AS (
    SELECT m."seq", m."storedAt", octet_length(m."data")::bigint AS size, p_through IS NULL AND ${sumIsWrong} AS wrong FROM "Message" AS m
    WHERE (m."topic", m."seq") > (p_topic, 0) AND (m."topic", m."seq") <= (p_topic, coalesce(p_through, ${Number.MAX_SAFE_INTEGER}))
    ORDER BY m."topic", m."seq" LIMIT p_limit
  ), counted AS (
    SELECT o.*, row_number() OVER w - 1 AS gone, sum(o.size) OVER w - o.size AS gone_bytes FROM oldest AS o WINDOW w AS (ORDER BY o."seq")
  ), judged AS (
    SELECT c.*, bool_and(NOT c.wrong AND (
      p_through IS NOT NULL OR (p_age > 0 AND c."storedAt" < p_now - p_age) OR (p_count > 0 AND v_topic."messages" - c.gone > p_count)
      OR (p_size > 0 AND v_topic."bytes" - c.gone_bytes > p_size))) OVER (ORDER BY c."seq") AS surplus
    FROM counted AS c
  )
  SELECT max(j."seq") FILTER (WHERE j.surplus), count(*) FILTER (WHERE j.surplus), coalesce(sum(j.size) FILTER (WHERE j.surplus), 0),
      CASE WHEN (array_agg(j.wrong ORDER BY j."seq") FILTER (WHERE NOT j.surplus))[1] THEN min(j."seq") FILTER (WHERE NOT j.surplus) END
    INTO v_through, v_messages, v_bytes, v_broken FROM judged AS j;
  IF v_messages = 0 THEN
    IF v_broken IS NOT NULL THEN RETURN QUERY SELECT NULL::bigint, NULL::bigint, 0::bigint, 0::bigint, v_broken; END IF;
    RETURN;
  END IF;
  INSERT INTO "SeenId" ("id", "seenAt") SELECT m."id", p_now FROM "Message" AS m WHERE m."topic" = p_topic AND m."seq" <= v_through
    ON CONFLICT ("id") DO UPDATE SET "seenAt" = excluded."seenAt";
  DELETE FROM "Message" AS m WHERE m."topic" = p_topic AND m."seq" <= v_through;
  DELETE FROM "Damage" AS d WHERE d."topic" = p_topic AND d."seq" <= v_through;
  UPDATE "Log" SET "pruneCount" = "pruneCount" + 1 WHERE "id" = 1 RETURNING "pruneCount" INTO v_step;
  UPDATE "Topic" AS t SET "messages" = t."messages" - v_messages, "bytes" = t."bytes" - v_bytes,
    "firstSeq" = coalesce((SELECT m."seq" FROM "Message" AS m WHERE (m."topic", m."seq") > (p_topic, v_through) AND m."topic" <= p_topic
      ORDER BY m."topic", m."seq" LIMIT 1), 0),
    "prunedThrough" = v_through, "prunedAt" = v_step,
    "emptySince" = CASE WHEN EXISTS (SELECT 1 FROM "Message" AS m WHERE m."topic" = p_topic) THEN NULL ELSE p_now END WHERE "name" = p_topic;
  PERFORM pg_notify('${channel}',
    json_build_object('by', p_origin, 'kind', 'pruned', 'topic', p_topic, 'through', v_through, 'pruneCount', v_step)::text);
  RETURN QUERY SELECT v_through, v_step, v_messages, v_bytes, v_broken;
END $function$`

/** Takes `v_row`, which was removed, off the counters of its topic, which, without messages, is empty since a time. */
const countLess = (emptySince: string) => `UPDATE "Topic" AS t SET
      "messages" = greatest(0, t."messages" - 1), "bytes" = greatest(0, t."bytes" - v_row.size),
      "firstSeq" = coalesce((SELECT m."seq" FROM "Message" AS m WHERE (m."topic", m."seq") > (v_row."name", 0) AND m."topic" <= v_row."name"
        ORDER BY m."topic", m."seq" LIMIT 1), 0),
      "lastSeq" = coalesce((SELECT m."seq" FROM "Message" AS m WHERE (m."topic", m."seq") <= (v_row."name", t."lastSeq")
        AND m."topic" >= v_row."name" ORDER BY m."topic" DESC, m."seq" DESC LIMIT 1), 0),
      "emptySince" = CASE WHEN EXISTS (SELECT 1 FROM "Message" AS m WHERE m."topic" = v_row."name") THEN NULL ELSE ${emptySince} END
      WHERE t."name" = v_row."name"`

/** Deletes a message, and keeps its id and its place. Returns no row when no message has this id. */
const deleteMessage = `CREATE OR REPLACE FUNCTION pg_temp.peergate_delete(p_origin text, p_id text, p_now bigint)
RETURNS TABLE (number bigint, bytes bigint) LANGUAGE plpgsql AS $function$
DECLARE
  v_row record;
BEGIN
  ${takeLock};
  SELECT m."seq", m."topic" AS name, octet_length(m."data")::bigint AS size INTO v_row FROM "Message" AS m WHERE m."id" = p_id;
  IF NOT FOUND THEN RETURN; END IF;
  INSERT INTO "SeenId" ("id", "seenAt") VALUES (p_id, p_now) ON CONFLICT ("id") DO UPDATE SET "seenAt" = excluded."seenAt";
  INSERT INTO "Damage" ("seq", "id", "topic", "firstSeenAt", "foundAt", "deleted") VALUES (v_row."seq", p_id, v_row."name", p_now, p_now, true)
    ON CONFLICT DO NOTHING;
  DELETE FROM "Message" AS m WHERE m."seq" = v_row."seq";
  ${countLess('p_now')};
  PERFORM pg_notify('${channel}', json_build_object('by', p_origin, 'kind', 'deleted', 'seq', v_row."seq")::text);
  RETURN QUERY SELECT v_row."seq"::bigint, v_row.size;
END $function$`

/**
 * Takes damaged rows out of the log. Notes each under its own id, and under the id given at the same index. Rows that
 * are gone are skipped. The row's topic counts only if it exists. If its times are damaged, the age of the message
 * before it is used.
 */
const takeOut = `CREATE OR REPLACE FUNCTION pg_temp.peergate_take_out(p_seqs bigint[], p_ids text[])
RETURNS TABLE (number bigint, message text, name text) LANGUAGE plpgsql AS $function$
DECLARE
  v_row record;
BEGIN
  ${takeLock};
  FOR v_row IN
    SELECT m."seq", m."id", t."name", s.id AS made, octet_length(m."data") AS size,
      CASE WHEN ${sumIsWrong} THEN coalesce((SELECT coalesce(b."firstSeenAt", b."storedAt") FROM "Message" AS b
          WHERE b."seq" < m."seq" AND NOT ${sumIsWrong.replaceAll('m.', 'b.')} ORDER BY b."seq" DESC LIMIT 1), 0)
        ELSE coalesce(m."firstSeenAt", m."storedAt") END AS seen
    FROM unnest(p_seqs, p_ids) AS s(seq, id) JOIN "Message" AS m ON m."seq" = s.seq LEFT JOIN "Topic" AS t ON t."name" = m."topic"
  LOOP
    INSERT INTO "Damage" ("seq", "id", "topic", "firstSeenAt")
      SELECT v_row."seq", i.id, v_row."name", v_row.seen FROM unnest(ARRAY[v_row."id", v_row.made]) AS i(id) WHERE i.id IS NOT NULL
      ON CONFLICT DO NOTHING;
    DELETE FROM "Message" AS m WHERE m."seq" = v_row."seq";
    ${countLess('0')};
    RETURN QUERY SELECT v_row."seq"::bigint, v_row."id"::text, v_row."name"::text;
  END LOOP;
END $function$`

/**
 * Removes topics without joins, messages or limits of their own, the longest empty first. Joining a topic or giving it
 * limits takes no lock of the log, so the deletion checks these conditions again.
 */
const forgetTopics = `CREATE OR REPLACE FUNCTION pg_temp.peergate_forget_topics(p_before bigint, p_max bigint, p_limit bigint)
RETURNS bigint LANGUAGE plpgsql AS $function$
DECLARE
  v_excess bigint;
  v_forgotten bigint;
  v_through bigint;
  v_at bigint;
BEGIN
  ${takeLock};
  SELECT count(*) - p_max INTO v_excess FROM (SELECT 1 FROM "Topic" AS t WHERE t."emptySince" >= 0 LIMIT p_max + p_limit) AS e;
  WITH oldest AS MATERIALIZED (
    SELECT t."name", t."emptySince" FROM "Topic" AS t WHERE t."emptySince" >= 0 AND ${isForgettable}
      AND NOT EXISTS (SELECT 1 FROM "TopicJoin" AS j WHERE j."topic" = t."name")
      AND NOT EXISTS (SELECT 1 FROM "Message" AS m WHERE m."topic" = t."name")
    ORDER BY t."emptySince" LIMIT p_limit
  ), chosen AS MATERIALIZED (
    SELECT o."name" FROM (SELECT o.*, row_number() OVER (ORDER BY o."emptySince") AS place FROM oldest AS o) AS o
    WHERE o."emptySince" < p_before OR o.place <= v_excess
  ), gone AS (
    DELETE FROM "Topic" AS t USING chosen AS c WHERE t."name" = c."name" AND ${isForgettable} RETURNING t."prunedThrough", t."prunedAt"
  )
  SELECT count(*), coalesce(max(g."prunedThrough"), 0), coalesce(max(g."prunedAt"), 0) INTO v_forgotten, v_through, v_at FROM gone AS g;
  IF v_forgotten > 0 THEN
    UPDATE "Log" SET "forgottenThrough" = greatest("forgottenThrough", v_through), "forgottenAt" = greatest("forgottenAt", v_at) WHERE "id" = 1;
  END IF;
  RETURN v_forgotten;
END $function$`

/**
 * Returns the epoch, a new one (`p_fresh`) in an empty database or when the log ends before messages that were served
 * from it; and the previous epoch.
 */
const settle = `CREATE OR REPLACE FUNCTION pg_temp.peergate_settle(p_origin text, p_epochs text[], p_served bigint[], p_fresh text)
RETURNS TABLE (epoch text, previous text, tip bigint, served bigint) LANGUAGE plpgsql AS $function$
DECLARE
  v_log "Log"%ROWTYPE;
  v_served bigint;
BEGIN
  ${takeLock};
  SELECT * INTO v_log FROM "Log" WHERE "id" = 1;
  IF NOT FOUND THEN
    INSERT INTO "Log" ("id", "epoch") VALUES (1, p_fresh);
    RETURN QUERY SELECT p_fresh, NULL::text, 0::bigint, 0::bigint;
    RETURN;
  END IF;
  SELECT coalesce(max(s.through), 0) INTO v_served FROM unnest(p_epochs, p_served) AS s(name, through) WHERE s.name = v_log."epoch";
  IF v_log."tip" < v_served THEN
    UPDATE "Log" SET "epoch" = p_fresh WHERE "id" = 1;
    PERFORM pg_notify('${channel}', json_build_object('by', p_origin, 'kind', 'epoch')::text);
    RETURN QUERY SELECT p_fresh, v_log."epoch"::text, v_log."tip", v_served;
  ELSE
    RETURN QUERY SELECT v_log."epoch"::text, v_log."epoch"::text, v_log."tip", v_served;
  END IF;
END $function$`

export const sessionFunctions = [append, prune, takeOut, deleteMessage, forgetTopics, settle].join(';\n')
