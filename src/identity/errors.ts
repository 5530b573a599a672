import { StartRefused } from '../lib/startup-error.ts'

/** The key file is not one, or not a secret. */
export class InvalidKeyFile extends StartRefused {
  override readonly name = 'InvalidKeyFile'
}

/** Another live process has this key. */
export class IdentityInUse extends StartRefused {
  override readonly name = 'IdentityInUse'
}
