// Keys of ngrok's file, which people bring along: one sentence for each says what is not offered and what to do, as
// ngrok-words.ts does for commands and flags. Words only; config.ts asks if it finds an unknown key.

import { AGENT_COMMAND } from '../agent-command.ts'

const ONE_BY_ONE = `The file names no apps yet. Run "${AGENT_COMMAND} http" or "${AGENT_COMMAND} tunnel" for each, as a service of its own, and remove this key.`
const NO_INSPECTOR = 'The agent keeps nothing of what visitors send, so there is nothing to inspect; remove this key.'
const NO_UPDATE = 'The agent does not update itself; remove this key.'
const HEARTBEAT = 'Agent and relay check every few seconds whether the other is there; remove this key.'
const SERVER = `Write server: https://relay.example.com instead, or: ${AGENT_COMMAND} config add-server https://relay.example.com`
const SCREEN = 'On a terminal the agent shows its state, and log lines with --log=stderr; remove this key.'

const KEYS: ReadonlyMap<string, string> = new Map([
  ['agent', 'What ngrok has below this key is at the top of the file here, like authtoken and proxy_url.'],
  ['api', `Edges, authtokens and sessions are managed on the relay's host: relay --help. Leave this key away.`],
  ['api_key', `Edges, authtokens and sessions are managed on the relay's host: relay --help. Leave this key away.`],
  ['connect_timeout', 'The agent tries again until it is connected; remove this key.'],
  ['connect_url', SERVER],
  ['console_ui', SCREEN],
  ['console_ui_color', SCREEN],
  ['crl_noverify', 'The agent does not check lists of revoked certificates; remove this key.'],
  ['dns_resolver_ips', 'The agent resolves names as this machine does; remove this key.'],
  ['endpoints', ONE_BY_ONE],
  ['heartbeat_interval', HEARTBEAT],
  ['heartbeat_tolerance', HEARTBEAT],
  ['inspect_db_size', NO_INSPECTOR],
  ['log_format', 'Write log: { format: json } instead.'],
  ['log_level', 'Write log: { level: info } instead.'],
  ['metadata', 'Give it to the command instead: --metadata TEXT'],
  ['region', 'A relay has one region; remove this key.'],
  ['remote_management', 'The agent is started and stopped on its own machine; remove this key.'],
  ['root_cas', 'Write ca: FILE, with an authority (PEM) beside those that this machine trusts, or remove this key.'],
  ['server_addr', SERVER],
  ['tunnels', ONE_BY_ONE],
  ['update_channel', NO_UPDATE],
  ['update_check', NO_UPDATE],
  ['web_addr', NO_INSPECTOR],
  ['web_allow_hosts', NO_INSPECTOR],
])

/** Advice about a key of ngrok, or undefined for any other key. */
export function explainNgrokKey(key: string): string | undefined {
  return KEYS.get(key)
}

const VERSION =
  'This is the version of a file for ngrok. Write version: 1, and keep only what the relay of Sallyport needs: server and authtoken.'
const LOG = 'Write log: { level: info, format: json }. Where the log goes is said by the command: --log FILE'

/** The same for a known key with a value of ngrok: the version, or a file for the log. */
export function explainNgrokValue(key: string, value: unknown): string | undefined {
  if (key === 'version' && /^[23]$/.test(String(value))) return VERSION
  return key === 'log' && (typeof value === 'string' || typeof value === 'boolean') ? LOG : undefined
}
