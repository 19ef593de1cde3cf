// The commands of `relay`. Exit codes: 0 fine, 1 failed at run time, 2 wrong usage or configuration.

import { Command, CommanderError, Option } from 'commander'

import { explainUnforeseen } from '@sallyport/protocol/unforeseen'

import { LOG_FORMATS, LOG_LEVELS } from '../config/log-words.ts'
import { ConfigError, type ConfigProblem } from '../errors.ts'
import { RELAY_VERSION } from '../version.ts'
import { addEdgeCommands } from './edge-cli.ts'
import type { StartOptions } from './start.ts'
import { plainCommand } from './typed-command.ts'

/** As it was typed, `sallyport relay` or `relay`. */
const RELAY = plainCommand('relay')

const CONFIG_OPTION = [
  '--config <file>',
  'relay.yml; without it the relay runs in local mode (env: SALLYPORT_CONFIG)',
] as const

const RUNNING_CONFIG_OPTION = [
  '--config <file>',
  'relay.yml, for its store; without it that of local mode (env: SALLYPORT_CONFIG)',
] as const

/** @param leaveUncaught removes the process's handling of uncaught exceptions, for a command with a log of its own */
export async function runCli(argv: readonly string[], leaveUncaught: () => void): Promise<void> {
  const program = buildProgram(leaveUncaught)
  let running = program
  program.hook('preAction', (_, command) => {
    running = command
  })
  try {
    await program.parseAsync(argv)
  } catch (error) {
    process.exitCode = report(error, running)
  }
}

function buildProgram(leaveUncaught: () => void): Command {
  const version = `${RELAY} ${RELAY_VERSION} (node ${process.versions.node}, ${process.platform} ${process.arch})`
  const program = new Command(RELAY)
    .description('The Sallyport relay: a public entry that signs visitors in and forwards them to agents.')
    .version(version, '-v, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .exitOverride()
    .showHelpAfterError('Run the command with --help to see what it takes.')
    .addHelpText(
      'after',
      `
Examples:
  ${RELAY} start                                 try it out on this machine, without a configuration
  ${RELAY} start --config /etc/sallyport/relay.yml
  ${RELAY} check --config relay.yml              all problems of a configuration at once
  ${RELAY} policy check policy.yaml              a policy in a file
  ${RELAY} oidc check --config relay.yml         whether its identity providers will sign visitors in
  ${RELAY} oidc redirect-uri https://login.example.com --config relay.yml
  ${RELAY} authtoken create --acl bind:edge=edg_docs --description "docs server"
  ${RELAY} status --config relay.yml             how the relay is, its edges, and which agents are connected
  ${RELAY} reload --config relay.yml             its edges have changed in the file
  ${RELAY} session revoke --user ada@example.com

Documentation: README.md and docs/ of the repository; docs/configuration.md has every key of relay.yml.`,
    )
  program
    .command('start')
    .description('Start the relay. SIGTERM or Ctrl-C lets running exchanges finish; a second one ends at once.')
    .option(...CONFIG_OPTION)
    .option('--workers <count>', 'how many processes serve: a number, or auto for one on each core (default: 1)')
    .addOption(new Option('--log-level <level>', 'how much is logged (env: SALLYPORT_LOG_LEVEL)').choices(LOG_LEVELS))
    .addOption(new Option('--log-format <format>', 'how it is logged (env: SALLYPORT_LOG_FORMAT)').choices(LOG_FORMATS))
    .action(async (options: Omit<StartOptions, 'leaveUncaught'>) =>
      (await import('./start.ts')).start({ ...options, leaveUncaught }),
    )
  program
    .command('check')
    .description('Check a configuration without starting: exit code 0, or 2 and every problem with its path.')
    .option(...CONFIG_OPTION)
    .action(loaded(async () => (await import('./check.ts')).check))
  program
    .command('version')
    .description('Print the version.')
    .action(() => console.log(version))

  const authtoken = program
    .command('authtoken')
    .description('Make, list and revoke the credentials of agents, also while the relay runs.')
    .addHelpText(
      'after',
      `
Examples:
  ${RELAY} authtoken create --description laptop
  ${RELAY} authtoken create --acl bind:edge=edg_docs --acl bind:app=*
  ${RELAY} authtoken list --json
  ${RELAY} authtoken revoke atk_1a2b3c`,
    )
  authtoken
    .command('create')
    .description('Make an authtoken. It is printed on standard output only this once; the relay keeps only its hash.')
    .option(...CONFIG_OPTION)
    .option('--acl <rule>', 'what it may bind, like bind:edge=edg_docs; repeatable (default: bind:*)', collect)
    .option('--description <text>', 'a description for people')
    .action(loaded(async () => (await import('./stored/authtoken-commands.ts')).createAuthtoken))
  authtoken
    .command('list')
    .description('List the authtokens; the tokens themselves are not kept.')
    .option(...CONFIG_OPTION)
    .option('--json', 'as JSON')
    .action(loaded(async () => (await import('./stored/authtoken-commands.ts')).listAuthtokens))
  authtoken
    .command('revoke')
    .description('Revoke an authtoken. Its tunnel sessions end at once.')
    .argument('<id>', 'the id, or the beginning of it')
    .option(...CONFIG_OPTION)
    .action(loaded(async () => (await import('./stored/authtoken-commands.ts')).revokeAuthtoken))

  const policy = program
    .command('policy')
    .description('Check a policy in a file, or import edges from ngrok.')
    .addHelpText(
      'after',
      `
Examples:
  ${RELAY} policy check policy.yaml
  ${RELAY} policy check policy.yaml --agent --config relay.yml
  ${RELAY} policy check policy.yaml --agent-config agent.yml
  ${RELAY} policy import-ngrok edges.json > edges.yml

Documentation: docs/agent-http.md of the repository, and docs/configuration.md for what a policy may have.`,
    )
  policy
    .command('check')
    .description('Check it as a relay would: exit code 0, or 2 and every problem with file, line and column.')
    .argument('<file>', 'the policy, in YAML or JSON, with on_http_request and on_http_response')
    .option('--agent', 'as one that an agent brings, which may have less than relay.yml')
    .option('--agent-config <file>', 'the same, with the secrets of this agent.yml')
    .option('--config <file>', 'relay.yml of the relay that it is for (default: some relay on the internet)')
    .option('--host <host>', 'the host, if the policy names cookies of a domain')
    .option('--json', 'as JSON')
    .action(loaded(async () => (await import('./policy-check.ts')).checkPolicy))
  policy
    .command('import-ngrok')
    .description(
      'Turn HTTPS edges of ngrok’s API into edges for relay.yml, on standard output. Everything that is left out is listed with its line. The exit code is 0 if nothing was left out, 1 otherwise.',
    )
    .argument('<file...>', 'answers of ngrok’s API, as JSON: edges, and their backends, IP rules and authorities')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
A module that decided at ngrok who may pass, and cannot be taken over, becomes a deny, so that nothing is open after the move.
ngrok’s API returns no secrets: variables of the environment are printed in their place, for you to set.

Examples:
  ngrok api edges https list > edges.json
  ngrok api backends tunnel-group list > groups.json
  ${RELAY} policy import-ngrok edges.json groups.json > edges.yml
  ngrok api ip-policy-rules list > rules.json
  ${RELAY} policy import-ngrok edges.json rules.json --json

Documentation: docs/coming-from-ngrok.md of the repository.`,
    )
    .action(loaded(async () => (await import('./import-ngrok.ts')).importNgrok))

  const oidc = program
    .command('oidc')
    .description('Set up identity providers: what to register there, and whether it works.')
    .addHelpText(
      'after',
      `
Examples:
  ${RELAY} oidc redirect-uri https://login.example.com --config relay.yml
  ${RELAY} oidc check --config relay.yml

Documentation: docs/sign-in.md of the repository, and docs/providers for each provider.`,
    )
  oidc
    .command('check')
    .description(
      'Ask an identity provider whether sign-ins will work: exit code 0, or 1 and a sentence for each problem.',
    )
    .argument('[issuer]', 'as the provider calls itself; without it, every sign-in of --config')
    .option(
      '--config <file>',
      'relay.yml: the sign-ins to check, or beside ISSUER its public_url (env: SALLYPORT_CONFIG)',
    )
    .option('--public-url <url>', 'beside ISSUER, that of a relay.yml that is still to be written')
    .option('--edge <id>', 'of --config, only the sign-ins of this edge')
    .option('--client-id <id>', 'as given out by the provider')
    .option('--client-secret <secret>', 'likewise; other users of this machine may see it, so prefer --config')
    .option(
      '--client-authentication <method>',
      'client_secret_basic or client_secret_post (default: as offered), or none',
    )
    .option('--id-token-alg <algorithm>', 'HS256 where ID tokens are signed with the client secret')
    .option('--provider-ca-file <file>', "a further authority (PEM) for the provider's certificate")
    .option('--scope <scope>', 'the scopes to request; repeatable (default: openid profile email)', collectScopes)
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Examples:
  ${RELAY} oidc check --config relay.yml --edge edg_docs
  ${RELAY} oidc check https://login.example.com/realms/staff --client-id sallyport --client-secret "$OIDC_SECRET"`,
    )
    .action(loaded(async () => (await import('./oidc-check.ts')).checkOidc))
  oidc
    .command('redirect-uri')
    .description(
      'Print the redirect URI to register at an identity provider. Asks nobody; there is one for each issuer.',
    )
    .argument('<issuer>', 'as the provider calls itself, and as issuer_url or --oidc will name it')
    .option('--config <file>', 'relay.yml, for its public_url; without it that of local mode (env: SALLYPORT_CONFIG)')
    .addHelpText(
      'after',
      `
Examples:
  ${RELAY} oidc redirect-uri https://login.example.com/realms/staff --config relay.yml
  ${RELAY} oidc redirect-uri https://accounts.google.com`,
    )
    .action(loaded(async () => (await import('./oidc-redirect-uri.ts')).printRedirectUri))
  addRunningCommands(program)
  addSessionCommands(program)
  addServiceTokenCommands(program)
  addEdgeCommands(program, { configOption: CONFIG_OPTION, collect, loaded })
  addStoreCommands(program)
  program
    .command('hash-password')
    .description('Read a password from standard input and print its hash, for the credentials of basic-auth.')
    .action(loaded(async () => (await import('./hash-password.ts')).printPasswordHash))
  return program
}

/** They ask the relay itself, over a socket beside its store. */
function addRunningCommands(program: Command): void {
  const codes = `
Run it as the user of the relay, or as root. Exit codes: 0 if the relay has
answered, 1 if none runs on that store or this user may not ask it, 2 for wrong
usage or configuration.

Documentation: docs/operations.md of the repository.`
  program
    .command('status')
    .description('Show how the running relay is: its edges with their tunnels, and the agents that are connected.')
    .option(...RUNNING_CONFIG_OPTION)
    .option('--json', 'as JSON: an object of relay, edges and agents')
    .addHelpText(
      'after',
      `${codes}

Examples:
  ${RELAY} status --config relay.yml
  sudo -u sallyport relay status --config /etc/sallyport/relay.yml
  ${RELAY} status --json | jq .relay.tunnels`,
    )
    .action(loaded(async () => (await import('./running/status-command.ts')).showStatus))
  program
    .command('reload')
    .description('Have the running relay read its configuration again: its edges change, and nobody is cut off.')
    .option(...RUNNING_CONFIG_OPTION)
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
An edge that has not changed is not touched. A file with a problem changes
nothing. Keys other than edges and the data that policies read count after a
restart; the command names those that have changed. SIGHUP does the same (systemctl reload sallyport-relay).
${codes}

Examples:
  ${RELAY} check --config relay.yml && ${RELAY} reload --config relay.yml
  ${RELAY} reload --json | jq .edges`,
    )
    .action(loaded(async () => (await import('./running/reload-command.ts')).reload))
  const tunnel = program
    .command('tunnel')
    .description('See the tunnels of the running relay.')
    .addHelpText('after', '\nExamples:\n  relay tunnel list --config relay.yml --edge edg_docs')
  tunnel
    .command('list')
    .description(
      'List the tunnels that are online, with their owners, the state of their apps and the time of the last request.',
    )
    .option(...RUNNING_CONFIG_OPTION)
    .option('--edge <id>', 'only tunnels of this edge, by its id or one of its hosts')
    .option('--json', 'as JSON, with more about each')
    .addHelpText(
      'after',
      `${codes}

Examples:
  ${RELAY} tunnel list --config relay.yml
  ${RELAY} tunnel list --edge edg_docs
  ${RELAY} tunnel list --json | jq -r '.[] | select(.health.state != "healthy") | .agent.machine'`,
    )
    .action(loaded(async () => (await import('./running/tunnel-commands.ts')).listTunnels))
}

function addSessionCommands(program: Command): void {
  const session = program
    .command('session')
    .description('List or end the sessions of visitors, also while the relay runs.')
    .addHelpText(
      'after',
      `
Examples:
  ${RELAY} session list --edge edg_docs
  ${RELAY} session revoke --id ses_1a2b3c
  ${RELAY} session revoke --user ada@example.com`,
    )
  session
    .command('list')
    .description('List the sessions of visitors, the last seen first.')
    .option(...CONFIG_OPTION)
    .option('--edge <id>', 'only sessions on this edge')
    .option('--user <user>', 'only sessions of this email address or subject')
    .option('--json', 'as JSON')
    .action(loaded(async () => (await import('./stored/session-commands.ts')).listSessions))
  session
    .command('revoke')
    .description('End sessions. Exchanges under way in them end within two seconds, including WebSockets.')
    .option(...CONFIG_OPTION)
    .option('--id <id>', 'the session with this id, or the one whose id begins with it')
    .option('--user <user>', 'sessions of this email address or subject, on all edges or with --edge')
    .option('--edge <id>', 'sessions on this edge')
    .option('--all', 'all sessions')
    .action(loaded(async () => (await import('./stored/session-commands.ts')).revokeSessions))
}

function addServiceTokenCommands(program: Command): void {
  const serviceToken = program
    .command('service-token')
    .description(
      'Make, list and revoke service tokens, which programs send to an edge instead of a sign-in, also while the relay runs.',
    )
    .addHelpText(
      'after',
      `
Examples:
  ${RELAY} service-token create --edge edg_docs --description "nightly export"
  ${RELAY} service-token list --edge edg_docs --json
  ${RELAY} service-token revoke svt_1a2b3c

Documentation: docs/programs.md of the repository.`,
    )
  serviceToken
    .command('create')
    .description(
      'Make a service token. It is printed on standard output only this once; the relay keeps only its hash.',
    )
    .option(...CONFIG_OPTION)
    .requiredOption('--edge <id>', 'the edge that the token is for; it does not count on others')
    .option('--description <text>', 'a description for people; apps get it as the name of the program')
    .action(loaded(async () => (await import('./stored/service-token-commands.ts')).createServiceToken))
  serviceToken
    .command('list')
    .description('List the service tokens; the tokens themselves are not kept.')
    .option(...CONFIG_OPTION)
    .option('--edge <id>', 'only tokens of this edge')
    .option('--json', 'as JSON')
    .action(loaded(async () => (await import('./stored/service-token-commands.ts')).listServiceTokens))
  serviceToken
    .command('revoke')
    .description('Revoke a service token. Requests and WebSockets that are under way with it end at once.')
    .argument('<id>', 'the id, or the beginning of it')
    .option(...CONFIG_OPTION)
    .action(loaded(async () => (await import('./stored/service-token-commands.ts')).revokeServiceToken))
}

function addStoreCommands(program: Command): void {
  const store = program
    .command('store')
    .description('Back up what the relay keeps: tokens, sessions, reserved hosts.')
    .addHelpText('after', `\nExamples:\n  ${RELAY} store backup /var/backups/sallyport/relay.db --config relay.yml`)
  store
    .command('backup')
    .description('Copy the store as it is at one moment, also while the relay runs.')
    .argument('<file>', 'the copy; an earlier copy is replaced when the new one is whole')
    .option(...CONFIG_OPTION)
    .option('--with-key <file>', 'also copy the key of the relay, without which the copy is useless')
    .addHelpText(
      'after',
      `
To restore, stop the relay and put the two files in the place of relay.db and
relay.secret; docs/operations.md of the repository says how.

Examples:
  ${RELAY} store backup /var/backups/sallyport/relay.db --config relay.yml
  ${RELAY} store backup relay.db --with-key relay.secret`,
    )
    .action(loaded(async () => (await import('./stored/store-commands.ts')).backUpStore))
}

/** A command is loaded when it runs, so that the relay does not load the others. */
function loaded<A extends unknown[]>(
  load: () => Promise<(...given: A) => Promise<void> | void>,
): (...given: A) => Promise<void> {
  return async (...given) => (await load())(...given)
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, value]
}

/** `openid` is always requested. */
function collectScopes(value: string, before: string[] = ['openid']): string[] {
  return [...new Set([...before, ...value.split(/[\s,]+/).filter(Boolean)])]
}

/** Reports an error on standard error. @returns the exit code */
function report(error: unknown, running: Command): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2 // commander has printed it
  if (error instanceof ConfigError) {
    for (const line of explain(error.problems, running)) console.error(line)
    return 2
  }
  console.error(`relay: ${explainUnforeseen(error)}`)
  return 1
}

/** Problems of the configuration come under one heading; any other error names the command, or its own place. */
function* explain(problems: readonly ConfigProblem[], running: Command): Generator<string> {
  const { config = process.env.SALLYPORT_CONFIG || undefined } = running.opts<{ config?: string }>()
  const isInFile = ({ path }: ConfigProblem): boolean =>
    config !== undefined && (path === config || !OUTSIDE.test(path))
  const { length } = problems.filter(isInFile)
  if (length > 0) yield `The configuration has ${length === 1 ? 'a problem' : `${length} problems`}:`
  for (const problem of problems) {
    const { path, message } = problem
    const before = isInFile(problem) ? '  ' : OUTSIDE.test(path) ? '' : `${nameOf(running)}: `
    yield `${before}${path}: ${message}`
  }
}

/** A flag, a command, a variable, an edge of the store, or a file such as the key of the relay; keys of a configuration begin with none of these. */
const OUTSIDE = /^(?:--|relay |SALLYPORT_|edg_|\/)/

/** As it is typed: `relay authtoken create`, or `sallyport relay authtoken create`. */
function nameOf(command: Command): string {
  return command.parent ? `${nameOf(command.parent)} ${command.name()}` : command.name()
}
