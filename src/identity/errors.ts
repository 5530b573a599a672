import { StartupError } from '../lib/startup-error.ts'

/** The key file is not one, or not a secret. */
export class InvalidKeyFile extends StartupError {
  override readonly name = 'InvalidKeyFile'
}

/** Another live process has this key. */
export class IdentityInUse extends StartupError {
  override readonly name = 'IdentityInUse'
}
