import { StartupError } from '../lib/startup-error.ts'

/** The key file does not hold a key, or is not secret. */
export class InvalidKeyFile extends StartupError {
  override readonly name = 'InvalidKeyFile'
}

/** Another running process uses this key. */
export class IdentityInUse extends StartupError {
  override readonly name = 'IdentityInUse'
}
