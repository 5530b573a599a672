/** Columns that topics can be sorted by. */
export const sortings = ['growth', 'in', 'out', 'messages', 'bytes', 'subscribers', 'topic'] as const
export type Sorting = (typeof sortings)[number]
