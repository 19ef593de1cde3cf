// How `agent http` gets the text of a policy: from a file, or fetched from an address.

import { ConfigError } from '@sallyport/protocol/config-error'

import type { PolicyText } from '../plan/agent-options.ts'
import { readText } from '../plan/config.ts'
import type { PolicySource } from './watch-policy.ts'

const FETCH_TIMEOUT_MS = 10_000
const TEXT_MAX_BYTES = 256 * 1024 // comments included; a relay accepts less
const LOOPBACK = /^(?:localhost|(?:.+\.)?localhost|127(?:\.\d{1,3}){3}|\[::1\])$/

export interface PolicyFlags {
  trafficPolicyFile?: string
  /** The word of older agents of ngrok. */
  policyFile?: string
  trafficPolicyUrl?: string
}

/**
 * The policy that the flags name; undefined if they name none.
 * @throws ConfigError if it cannot be read, or if several are named
 */
export async function readPolicyText(flags: PolicyFlags): Promise<PolicyText | undefined> {
  const file = flags.trafficPolicyFile ?? flags.policyFile
  const { trafficPolicyUrl: url } = flags
  if (file !== undefined && url !== undefined) {
    throw refusal('--traffic-policy-url', 'There is a --traffic-policy-file, too; give one of the two.')
  }
  if (url !== undefined) return { text: await fetchText(url), source: url }
  if (file === undefined) return undefined
  const text = readText(file, true) ?? '' // `required` throws rather than return undefined
  if (Buffer.byteLength(text) > TEXT_MAX_BYTES) throw refusal(file, tooLarge)
  return { text, source: file }
}

/** Where the policy comes from; undefined if the flags name none. */
export function policySource(flags: PolicyFlags): PolicySource | undefined {
  const file = flags.trafficPolicyFile ?? flags.policyFile
  const name = file ?? flags.trafficPolicyUrl
  return name === undefined ? undefined : { name, file, read: () => readPolicyText(flags) }
}

async function fetchText(written: string): Promise<string> {
  const url = URL.canParse(written) ? new URL(written) : undefined
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw refusal(
      '--traffic-policy-url',
      `"${written}" is not an address. Write it like https://example.com/policy.yaml`,
    )
  }
  // An attacker who can change the policy on its way decides who is let in.
  if (url.protocol === 'http:' && !LOOPBACK.test(url.hostname)) {
    throw refusal('--traffic-policy-url', `${written} is not encrypted; use https://.`)
  }
  const failed = (reason: string, cause?: unknown): ConfigError =>
    new ConfigError([{ path: '--traffic-policy-url', message: `${written} cannot be read: ${reason}.` }], { cause })
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(FETCH_TIMEOUT_MS), redirect: 'error' })
    if (!response.ok) throw failed(`the server answers ${response.status}`)
    const chunks: Uint8Array[] = []
    let length = 0
    for await (const chunk of response.body ?? []) {
      length += chunk.length
      if (length > TEXT_MAX_BYTES) throw refusal(written, tooLarge)
      chunks.push(chunk)
    }
    return Buffer.concat(chunks).toString()
  } catch (error) {
    if (error instanceof ConfigError) throw error
    throw failed(reasonOf(error), error)
  }
}

const tooLarge = `This is larger than ${TEXT_MAX_BYTES} bytes; a policy is not.`

function refusal(path: string, message: string): ConfigError {
  return new ConfigError([{ path, message }])
}

/** `fetch failed` says nothing; its cause does. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'TimeoutError') return `there was no answer within ${FETCH_TIMEOUT_MS / 1000} s`
  return error.cause instanceof Error ? error.cause.message : error.message
}
