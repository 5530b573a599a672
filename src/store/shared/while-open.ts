import type { LogStore } from '../log-store.ts'

/** Delegates each call to the log that is open at that time. */
export function whileOpen(log: () => LogStore): LogStore {
  return {
    epoch: async () => await log().epoch(),
    position: async (filter, prunedSince, pay) => await log().position(filter, prunedSince, pay),
    tryWrite: async () => await log().tryWrite(),
    append: async (messages, keyed) => await log().append(messages, keyed),
    published: async (key, since) => await log().published(key, since),
    countKeys: async (prefix, limit) => await log().countKeys(prefix, limit),
    noteRecipients: async (key, recipients) => await log().noteRecipients(key, recipients),
    read: async (query) => await log().read(query),
    count: async (query) => await log().count(query),
    prunable: async (query) => await log().prunable(query),
    prune: async (query) => await log().prune(query),
    delete: async (id, now) => await log().delete(id, now),
    forget: async (query) => await log().forget(query),
    forgetTopics: async (query) => await log().forgetTopics(query),
    check: async (query) => await log().check(query),
    missing: async (query) => await log().missing(query),
    outline: async (query) => await log().outline(query),
    get: async (id) => await log().get(id),
    find: async (ids, maxBytes) => await log().find(ids, maxBytes),
    unknown: async (ids) => await log().unknown(ids),
    refuse: async (ids, now) => await log().refuse(ids, now),
    sentThrough: async (author) => await log().sentThrough(author),
    markSent: async (author, through) => await log().markSent(author, through),
  }
}
