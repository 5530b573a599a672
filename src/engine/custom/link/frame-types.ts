/** The first byte of a frame on a link. */
export const frameTypes = {
  hello: 1,
  message: 2,
  control: 3,
  ping: 4,
  pong: 5,
  request: 6,
  requestBody: 7,
  answer: 8,
  answerBody: 9,
  cancel: 10,
  circuit: 11,
  circuitData: 12,
  circuitCredit: 13,
} as const
