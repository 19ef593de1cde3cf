// ngrok's words, which people bring along: the agent takes those that mean something here, and for each of the others
// one sentence says what to do instead. Nothing that a person may rely on is ignored silently.

import { ConfigError } from '@sallyport/protocol/config-error'
import { Command, Option } from 'commander'

import { AGENT_COMMAND } from '../agent-command.ts'

const HTTP_ONLY = 'Sallyport carries HTTP, with WebSockets and gRPC, and nothing else'
const ONE_BY_ONE = `One command serves one app: run "${AGENT_COMMAND} http" or "${AGENT_COMMAND} tunnel" for each, as a service of its own.`
const OPERATOR = `Edges, authtokens and sessions are managed on the relay's host: relay --help`
const NO_INSPECTOR = 'The agent keeps nothing of what visitors send, so there is nothing to inspect; remove this flag.'
const SCHEME = "The relay's public_url decides whether addresses are https:// or http://; remove this flag."

const COMMANDS: Readonly<Record<string, string>> = {
  api: OPERATOR,
  authtoken: `Save an authtoken with: ${AGENT_COMMAND} config add-authtoken -${AGENT_COMMAND === 'sallyport' ? "; make one on the relay's host with: sallyport relay authtoken create" : ''}`,
  completion: `There are no completions for shells. See what there is with: ${AGENT_COMMAND} --help`,
  credits:
    'The licenses of Sallyport and of the libraries in it are in its package: LICENSE and dist/THIRD-PARTY-LICENSES.txt.',
  service: `Let systemd, or another service manager, run "${AGENT_COMMAND} http" or "${AGENT_COMMAND} tunnel"; both stop properly at SIGTERM.`,
  ssh: `${HTTP_ONLY}; for an app that speaks HTTP: ${AGENT_COMMAND} http 3000`,
  start: AGENT_COMMAND === 'sallyport' ? `A relay starts with: sallyport relay start. ${ONE_BY_ONE}` : ONE_BY_ONE,
  'start-all': ONE_BY_ONE,
  tcp: `${HTTP_ONLY}; for an app that speaks HTTP: ${AGENT_COMMAND} http 3000`,
  tls: `${HTTP_ONLY}, and ends TLS at the relay; for an app that speaks HTTPS: ${AGENT_COMMAND} http https://localhost:8443`,
  update:
    'The agent does not update itself. Put the new version in place as you have put this one, and start it again.',
}

const FLAGS: Readonly<Record<string, string>> = {
  all: ONE_BY_ONE,
  'app-protocol': 'Write --upstream-protocol http1 or http2 instead.',
  auth: 'Write --basic-auth USER:PASSWORD instead.',
  'bind-tls': SCHEME,
  binding:
    'An address that ends in .internal is internal, and every other one public: write for example --url https://api.internal, and remove this flag.',
  crt: 'The relay ends TLS with the certificates of its relay.yml; remove this flag.',
  inspect: NO_INSPECTOR,
  key: 'The relay ends TLS with the certificates of its relay.yml; remove this flag.',
  'proxy-proto': 'Apps learn the visitor from X-Forwarded-For; remove this flag.',
  'remote-addr': `${HTTP_ONLY}; name an address with: --url https://name.example.com`,
  scheme: SCHEME,
  subdomain: 'Write the whole host instead: --url https://name.example.com',
  'upstream-proxy-protocol': 'Apps learn the visitor from X-Forwarded-For; remove this flag.',
  'upstream-tls-verify-cas': 'Write --upstream-ca FILE instead, with the authority of the app’s certificate.',
  'websocket-tcp-converter': `${HTTP_ONLY}; WebSockets come to the app as WebSockets.`,
}

/** ngrok's commands that we do not have. */
export function addForeignCommands(program: Command): void {
  for (const [name, sentence] of Object.entries(COMMANDS)) {
    program
      .command(name, { hidden: true })
      .helpOption(false)
      .allowUnknownOption()
      .allowExcessArguments()
      .action(() => refuse(`${AGENT_COMMAND} ${name}`, sentence))
  }
}

/** ngrok's flags that we do not have. */
export function addForeignFlags(command: Command): void {
  for (const [name, sentence] of Object.entries(FLAGS)) {
    // With or without a value: the command ends here in any case.
    command.addOption(new Option(`--${name} [value]`).hideHelp())
    command.on(`option:${name}`, () => refuse(`--${name}`, sentence))
  }
}

function refuse(path: string, message: string): never {
  throw new ConfigError([{ path, message }])
}

const SWITCH = /^--(pooling-enabled|upstream-tls-verify)=(true|false)$/

/** `--pooling-enabled=true`, as Go's programs take it. Nothing after `--` is a flag. */
export function readSwitches(words: readonly string[]): string[] {
  const end = words.indexOf('--')
  return words.map((word, index) => {
    const [, name, value] = (end === -1 || index < end ? SWITCH.exec(word) : undefined) ?? []
    if (name === undefined) return word
    return value === 'true' ? `--${name}` : `--no-${name}`
  })
}
