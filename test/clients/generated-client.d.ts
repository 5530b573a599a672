/** The client that typescript.test.ts generates, which is not here: where it is, `imports` in package.json and its own types take the place of this. */
declare module '#client'
