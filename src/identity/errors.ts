/** What stops a start: the operator has to act. */
export class InvalidKeyFile extends Error {
  override readonly name = 'InvalidKeyFile'
}

/** Another live process has this key. */
export class IdentityInUse extends Error {
  override readonly name = 'IdentityInUse'
}
