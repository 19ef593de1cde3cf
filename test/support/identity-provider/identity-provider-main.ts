// The identity provider as a process of its own. Its options are one JSON text: the first argument, or the
// environment variable IDENTITY_PROVIDER (which other users of the machine cannot read in the process list).
// Prints one line of JSON, `{"issuer": "http://…"}`, when it answers.

import { tuneForLoading, tuneForWork } from '@sallyport/protocol/tune-v8'

import type { IdentityProviderOptions } from './identity-provider.ts'

// As our commands do: all of them share compiled code in the tests' compile cache.
tuneForLoading()
const { startIdentityProvider } = await import('./identity-provider.ts')

const written = process.argv[2] ?? process.env.IDENTITY_PROVIDER
if (written === undefined) {
  console.error('identity-provider-main: give the options as JSON, as the first argument or in IDENTITY_PROVIDER')
  process.exit(2)
}

// Written by the demo, the tests or the bench, beside this file: trusted.
const options = JSON.parse(written) as Omit<IdentityProviderOptions, 'configure'>
try {
  const provider = await startIdentityProvider(options)
  tuneForWork()
  const end = () => void provider.close()
  process.once('SIGTERM', end).once('SIGINT', end)
  console.log(JSON.stringify({ issuer: provider.issuer }))
} catch (error) {
  console.error(`identity-provider-main: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}
