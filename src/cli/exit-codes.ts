/** Exit codes; those above 60 are of sysexits.h: EX_USAGE, EX_UNAVAILABLE, EX_TEMPFAIL, EX_NOPERM, EX_CONFIG. */
export const exitCodes = { failure: 1, usage: 64, unavailable: 69, busy: 75, refused: 77, config: 78 } as const
