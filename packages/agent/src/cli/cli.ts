// The `agent` command, and `sallyport`: flags and their help. tunnel-command and config-command have the commands
// themselves. Each is loaded when it runs: help, the version and a wrong flag need a tenth of the code.

import { ConfigError } from '@sallyport/protocol/config-error'
import { explainUnforeseen } from '@sallyport/protocol/unforeseen'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'

import { AGENT_VERSION } from '../agent-version.ts'
import { AGENT_COMMAND } from '../agent-command.ts'
import { RELAY_EXAMPLES, addRelayCommands } from './relay-commands.ts'
import type { DiagnoseFlags } from './diagnose-command.ts'
import { parseDuration } from '../plan/duration.ts'
import type { HttpFlags } from './http-command.ts'
import { LOG_FORMATS, LOG_LEVELS } from '../log-words.ts'
import { addForeignCommands, addForeignFlags, readSwitches } from './ngrok-words.ts'
import type { Environment } from '../plan/proxy.ts'
import type { TunnelFlags } from './tunnel-command.ts'
import { tellPerson } from '../view/tell-person.ts'

const OK = 0
const FAILED = 1
const WRONG_USAGE = 2

const UPSTREAM =
  'where the app is: 8000, host:port, http://host:port, https://host, unix:/path, or file:///dir for files'
const DESCRIPTION = {
  agent: 'The Sallyport agent: makes a local app reachable through a Sallyport relay.',
  sallyport:
    'Sallyport makes a local app reachable through a relay: the agent, and by "sallyport relay" the relay itself.',
}
const ENVIRONMENT = `Flags win over the environment (env), and that over the configuration file. HTTPS_PROXY, HTTP_PROXY and NO_PROXY count
as everywhere. On a terminal a status view is shown; --log=stderr, --log-level, --log-format or NO_COLOR shows log lines instead.`

/**
 * Runs one command.
 * @param words the arguments after `agent` or `sallyport`
 * @returns the exit code: 0 fine, 1 failed at run time, 2 wrong usage or configuration
 */
export async function runCli(words: readonly string[], environment: Environment): Promise<number> {
  let exitCode = OK
  const program = describeCommands(environment, (code) => (exitCode = code))
  try {
    await program.parseAsync(readSwitches(words), { from: 'user' })
    return exitCode
  } catch (error) {
    // commander has printed its own sentence, and help is not a failure
    if (error instanceof CommanderError) return error.exitCode === 0 ? OK : WRONG_USAGE
    if (error instanceof ConfigError) {
      tellPerson(error.problems.map(({ path, message }) => `${path}: ${message}`).join('\n'))
      return WRONG_USAGE
    }
    process.stderr.write(`${AGENT_COMMAND}: ${explainUnforeseen(error)}\n`)
    return FAILED
  }
}

/**
 * All commands and flags, from which also docs/agent.md is made.
 * @param exit gets the exit code of a command that ran
 */
export function describeCommands(environment: Environment, exit: (code: number) => void): Command {
  const print = (line: string): void => void process.stdout.write(`${line}\n`)
  const warn = (line: string): void => void process.stderr.write(`${line}\n`)
  const version = `${AGENT_COMMAND} ${AGENT_VERSION} (node ${process.versions.node}, ${process.platform} ${process.arch})`
  const program = new Command(AGENT_COMMAND)
    .description(DESCRIPTION[AGENT_COMMAND])
    .version(version, '-v, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .exitOverride()
    .showHelpAfterError('Run the command with --help to see what it takes.')
    .addHelpText(
      'after',
      `
Examples:
  ${AGENT_COMMAND} config add-server https://relay.example.com
  ${AGENT_COMMAND} config add-authtoken -
  ${AGENT_COMMAND} tunnel --label edge=edg_docs http://localhost:8000
  ${AGENT_COMMAND} http 3000
  ${AGENT_COMMAND} diagnose 3000${AGENT_COMMAND === 'sallyport' ? RELAY_EXAMPLES : ''}

Documentation: README.md and docs/ of the repository; docs/agent.md has every flag, variable and key.`,
    )

  const http = program
    .command('http')
    .description('Give a local app a public address while this agent runs, with sign-in if you like.')
    .argument('<upstream>', UPSTREAM)
    .optionsGroup('Address:')
    .option(
      '--url <url>',
      'the address you want, like https://name.example.com, or https://name.internal for an endpoint that only policies reach; without it the relay chooses one',
    )
    .option('--domain <host>', 'the same as --url, by its host alone')
    .addOption(new Option('--hostname <host>', 'an older word for --domain').hideHelp())
    .option('--pooling-enabled', 'let other agents with the same flags share the address')
    .addOption(new Option('--no-pooling-enabled').hideHelp())
    .optionsGroup('Sign-in:')
    .option('--oidc <issuer>', 'have visitors sign in at this OpenID Connect provider')
    .option('--oidc-client-id <id>', 'the client id that the provider gave you')
    .option(
      '--oidc-client-secret <secret>',
      'the client secret; other users of this machine may see it here, but not in the environment (env: SALLYPORT_OIDC_CLIENT_SECRET)',
    )
    .option('--oidc-scope <scope>', 'a scope to request; repeatable (default: openid, profile, email)', collect)
    .option('--oidc-allow-email <address>', 'let this person pass; repeatable', collect)
    .option('--oidc-allow-domain <domain>', 'let everybody with an address of this domain pass; repeatable', collect)
    .option('--oidc-allow-group <group>', 'let everybody in this group pass; repeatable', collect)
    .option('--oidc-group-claim <name>', 'the claim that lists the groups (default: groups)')
    .addOption(
      new Option('--oidc-id-token-alg <name>', 'if the provider signs with the client secret').choices(['HS256']),
    )
    .option(
      '--oauth <provider>',
      'have visitors sign in at google, microsoft, gitlab, linkedin or twitch; instead of --oidc',
    )
    .option('--oauth-client-id <id>', 'the client id that the provider gave you')
    .option(
      '--oauth-client-secret <secret>',
      'the client secret; other users of this machine may see it here, but not in the environment (env: SALLYPORT_OAUTH_CLIENT_SECRET)',
    )
    .option('--oauth-tenant <id>', 'the tenant whose accounts may sign in at microsoft')
    .option('--oauth-scope <scope>', 'a scope to request in addition; repeatable', collect)
    .option('--oauth-allow-email <address>', 'let this person pass; repeatable', collect)
    .option('--oauth-allow-domain <domain>', 'let everybody with an address of this domain pass; repeatable', collect)
    .option('--max-session-duration <time>', 'how long a sign-in lasts, like 8h (default: 7d)')
    .option('--idle-session-duration <time>', 'how long it lasts without a request, like 30m (default: 12h)')
    .option('--force-reauthentication', 'have the provider ask for the password at every sign-in')
    .optionsGroup('Visitors:')
    .option('--basic-auth <user:password>', 'let only visitors pass who know this; without --oidc; repeatable', collect)
    .option(
      '--mutual-tls-cas <file>',
      'let a visitor pass only with a certificate that an authority in this file (PEM) has signed',
    )
    .option('--cidr-allow <range>', 'let only visitors from this address range pass; repeatable', collect)
    .option('--cidr-deny <range>', 'let no visitor from this address range pass; repeatable', collect)
    .option(
      '--ua-filter-allow <pattern>',
      'let a visitor pass only if the User-Agent matches this regular expression (RE2); repeatable',
      collect,
    )
    .option(
      '--ua-filter-deny <pattern>',
      'refuse visitors whose User-Agent matches this regular expression; repeatable',
      collect,
    )
    .option(
      '--verify-webhook <provider>',
      'let only webhooks pass that were signed by this provider, like github or stripe',
    )
    .option(
      '--verify-webhook-secret <secret>',
      'the secret that it signs with; other users of this machine may see it here, but not in the environment (env: SALLYPORT_VERIFY_WEBHOOK_SECRET)',
    )
    .option('--circuit-breaker <share>', 'give the app a pause when this share of its answers is faulty, like 0.5')
    .optionsGroup('Policy:')
    .option(
      '--traffic-policy-file <file>',
      'use the policy in this file (YAML or JSON) instead of flags; a change of the file is taken over',
    )
    .option('--traffic-policy-url <url>', 'the same, read from an https address when the agent starts')
    .addOption(new Option('--policy-file <file>', 'an older word for --traffic-policy-file').hideHelp())
    .optionsGroup('Headers:')
    .option('--request-header-add <name: value>', 'give the app this header; repeatable', collect)
    .option('--request-header-remove <name>', 'keep this header from the app; repeatable', collect)
    .option('--response-header-add <name: value>', 'give visitors this header; repeatable', collect)
    .option('--response-header-remove <name>', 'keep this header from visitors; repeatable', collect)
    .optionsGroup('Answers:')
    .option('--compression', 'have the relay compress texts on their way to visitors')
  addUpstreamFlags(http)
  http
    .addHelpText(
      'after',
      `
One match of the --oidc-allow or --oauth-allow flags is enough; without any, everybody whom the provider signs in may pass.

Examples:
  ${AGENT_COMMAND} http 3000
  ${AGENT_COMMAND} http 3000 --url https://name.example.com
  ${AGENT_COMMAND} http 3000 --oidc https://login.example.com --oidc-client-id ID --oidc-allow-domain example.com
  ${AGENT_COMMAND} http 3000 --url https://name.example.com --pooling-enabled --weight 3
  ${AGENT_COMMAND} http 3000 --url https://name.example.com --traffic-policy-file policy.yaml

${ENVIRONMENT}

Documentation: docs/agent-http.md of the repository.`,
    )
    .action(async (upstream: string, flags: HttpFlags) =>
      exit(await (await import('./http-command.ts')).runHttp(upstream, flags, environment)),
    )
  addGlobalFlags(http)

  const tunnel = program
    .command('tunnel')
    .description('Offer a local app under labels; an edge of the relay that selects them sends visitors here.')
    .argument('<upstream>', UPSTREAM)
    .optionsGroup('Labels:')
    .option('--label <key=value>', 'a label of this tunnel, like edge=edg_docs; repeatable', collect)
  addUpstreamFlags(tunnel)
  tunnel
    .addHelpText(
      'after',
      `
Examples:
  ${AGENT_COMMAND} tunnel --label edge=edg_docs 8000
  ${AGENT_COMMAND} tunnel --label edge=edg_docs --label app=web --host-header rewrite https://app.internal
  ${AGENT_COMMAND} tunnel --label edge=edg_docs unix:/run/app.sock
  ${AGENT_COMMAND} tunnel --label edge=edg_docs file://./public
  ${AGENT_COMMAND} tunnel --label edge=edg_grpc --upstream-protocol http2 50051

${ENVIRONMENT}

Documentation: README.md of the repository, and docs/load-balancing.md for several agents.`,
    )
    .action(async (upstream: string, flags: TunnelFlags) =>
      exit(await (await import('./tunnel-command.ts')).runTunnel(upstream, flags, environment)),
    )
  addGlobalFlags(tunnel)

  const diagnose = program
    .command('diagnose')
    .description('Look at everything between the app and the relay, step by step, and report problems with advice.')
    .argument('[upstream]', UPSTREAM)
    .optionsGroup('App:')
  addDialFlags(diagnose)
    .addHelpText(
      'after',
      `
Examples:
  ${AGENT_COMMAND} diagnose
  ${AGENT_COMMAND} diagnose 3000
  ${AGENT_COMMAND} diagnose --json 3000
  ${AGENT_COMMAND} diagnose --server https://relay.example.com --proxy-url http://proxy.example.com:3128 3000

The report holds no secrets: authtoken and proxy password are left out. The exit code is 0 where nothing failed, 1 otherwise.

Documentation: docs/agent-http.md of the repository.`,
    )
    .action(async (upstream: string | undefined, flags: DiagnoseFlags) =>
      exit(await (await import('./diagnose-command.ts')).runDiagnose(upstream, flags, environment, print)),
    )
  addRelayFlags(diagnose)
    .optionsGroup('Report:')
    .option('--json', 'the report as JSON, for programs')
    .helpOption('-h, --help', 'print this help')

  for (const command of [http, tunnel]) addForeignFlags(command)
  addForeignCommands(program)
  if (AGENT_COMMAND === 'sallyport') addRelayCommands(program)

  const configCommands = (): Promise<typeof import('./config-command.ts')> => import('./config-command.ts')
  const config = program.command('config').description('Save what every command needs in agent.yml.')
  const withConfig = (command: Command): Command =>
    command.option('--config <file>', 'the file, instead of the usual one (env: SALLYPORT_CONFIG)')
  withConfig(
    config.command('add-authtoken').argument('<token>', 'the authtoken, or - to paste it where nobody sees it'),
  )
    .description('Save the authtoken that "relay authtoken create" printed on the relay\'s host.')
    .action(async (token: string, { config: path }: { config?: string }) =>
      (await configCommands()).addAuthtoken(token, path, environment, print, warn),
    )
  withConfig(config.command('add-server').argument('<url>'))
    .description("Save the relay's address.")
    .action(async (url: string, { config: path }: { config?: string }) =>
      (await configCommands()).addServer(url, path, environment, print),
    )
  withConfig(config.command('check'))
    .description('Check the file.')
    .action(async ({ config: path }: { config?: string }) =>
      (await configCommands()).checkConfig(path, environment, print),
    )
  withConfig(config.command('edit'))
    .description('Open the file in $EDITOR, then check it.')
    .action(async ({ config: path }: { config?: string }) =>
      (await configCommands()).openEditor(path, environment, print),
    )

  program
    .command('version')
    .description('Print the version.')
    .action(() => print(version))
  return program
}

function addUpstreamFlags(command: Command): void {
  command
    .optionsGroup('App:')
    .option('--name <name>', 'a name for this tunnel, shown in its log and status')
    .option('--metadata <text>', 'any text the relay keeps with this tunnel')
    .option('--description <text>', 'the same, if --metadata is not given')
    .option('--weight <number>', 'its share of the visitors beside its siblings (0 to 10000; 0 is a standby)', toWeight)
    .option('--health-path <path>', 'check the app by asking for this path, and tell the relay, for example /healthz')
    .option('--health-interval <time>', 'between two checks (default: 10s)', toDuration)
    .option('--health-timeout <time>', 'for one check (default: 5s)', toDuration)
    .option('--health-healthy <number>', 'passed checks in a row until it is healthy again (default: 2)', toCount)
    .option('--health-unhealthy <number>', 'failed checks in a row until it is unhealthy (default: 3)', toCount)
  addDialFlags(command)
}

/** How the app is reached. */
function addDialFlags(command: Command): Command {
  return command
    .option(
      '--host-header <value>',
      'the Host for the app: preserve, rewrite (its own name, and the public one in its redirects and cookies), or a value (default: preserve)',
    )
    .addOption(
      new Option('--upstream-protocol <protocol>', 'the protocol of the app; http2 for gRPC').choices([
        'http1',
        'http2',
      ]),
    )
    .option('--upstream-ca <file>', 'a further authority (PEM) for an https app')
    .option('--upstream-pin <sha256/BASE64>', 'trust an https app by its public key; repeatable', collect)
    .option('--upstream-tls-verify', "check an https app's certificate, as without this flag")
    .option('--no-upstream-tls-verify', "do not check an https app's certificate")
}

/** How the relay is reached. */
function addRelayFlags(command: Command): Command {
  return command
    .optionsGroup('Relay:')
    .option('--server <url>', "the relay's address, like https://relay.example.com (env: SALLYPORT_SERVER)")
    .option(
      '--authtoken <token>',
      `the authtoken; better saved with "${AGENT_COMMAND} config add-authtoken" (env: SALLYPORT_AUTHTOKEN)`,
    )
    .option('--config <file>', 'the configuration file, instead of the usual one (env: SALLYPORT_CONFIG)')
    .option('--ca <file>', "a further authority (PEM) for the relay's certificate (env: SALLYPORT_CA)")
    .option('--proxy-url <url>', 'the HTTP proxy that leads to the relay (env: SALLYPORT_PROXY_URL)')
}

function addGlobalFlags(command: Command): void {
  addRelayFlags(command)
    .option(
      '--connections <number>',
      'to the relay, 1 to 16: when one stalls, others serve (default: 2) (env: SALLYPORT_CONNECTIONS)',
      toConnections,
    )
    .option('--region <region>', 'the region of the relay to use, if it has several')
    .optionsGroup('Log:')
    .option('--log <place>', 'the output: stderr, stdout, a file, or false for none (default: stderr)')
    .addOption(
      new Option('--log-level <level>', 'how much is logged (default: info) (env: SALLYPORT_LOG_LEVEL)').choices(
        LOG_LEVELS,
      ),
    )
    .addOption(
      new Option('--log-format <format>', 'how it is logged (default: pretty) (env: SALLYPORT_LOG_FORMAT)').choices(
        LOG_FORMATS,
      ),
    )
    .optionsGroup('Help:')
    .helpOption('-h, --help', 'print this help')
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, value]
}

function toDuration(text: string): number {
  const milliseconds = parseDuration(text)
  if (milliseconds === undefined) throw new InvalidArgumentError('Write a time such as 500ms, 10s or 1m.')
  return milliseconds
}

function toCount(text: string): number {
  if (!/^\d{1,3}$/.test(text)) throw new InvalidArgumentError('Write a number, such as 2.')
  return Number(text)
}

function toConnections(text: string): number {
  if (!/^\d{1,2}$/.test(text)) throw new InvalidArgumentError('Write a number, such as 2.')
  return Number(text)
}

function toWeight(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 10_000)
    throw new InvalidArgumentError('Write a number from 0 to 10000.')
  return Number(text)
}
