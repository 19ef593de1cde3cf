// All texts of the relay's pages, in English: the only table of page-texts.ts. Plain text, escaped where it is shown;
// `{name}` is a place where a page puts HTML of its own. Pure: no I/O, no clock.

import type { BrokenCode, RelayErrorCode } from '../error-codes.ts'

/** A text with places of these names; a translation without one of them does not compile. */
type With<Place extends string> = `${string}{${Place}}${string}`

interface ErrorText {
  title: string
  /** Plain language, no inner reason, no secret. */
  advice: string
  /** The operator's version. */
  operator?: string
}

// A type of its own, so that the texts have type string instead of their literals.
interface Errors extends Record<RelayErrorCode, ErrorText> {}

interface Broken extends Record<BrokenCode, string> {}

const broken: Broken = {
  expression_failed: 'Cannot decide',
  internal: 'At fault',
  app_down: 'Not answering',
  app_bad_answer: 'Faulty answer',
  tunnel_lost: 'Connection lost',
  http_request_failed: 'Cannot ask',
  provider_unreachable: 'Not answering',
  no_tunnel_online: 'Not connected',
  internal_endpoint_offline: 'Not connected',
  relay_full: 'Full',
  tunnel_full: 'Busy',
  circuit_open: 'Failing',
  edge_broken: 'Cannot serve',
  store_unavailable: 'Cannot save',
  app_timeout: 'Too slow',
  too_many_forwards: 'In circles',
  loop_detected: 'Leads back here',
}

const errors: Errors = {
  bad_request: {
    title: 'This request is not valid',
    advice:
      'The request did not follow the rules of HTTP and went no further. Go back, and tell the owner of this site where you came from.',
  },
  path_ambiguous: {
    title: 'This address can be read in two ways',
    advice:
      'The path contains encoded separators or dot segments that would lead to different places. Use the plain form.',
  },
  rewrite_refused: {
    title: 'This address leads nowhere',
    advice:
      'A rule of this site turns it into an address that is not possible. Tell the owner of this site where you came from.',
  },
  sign_in_required: {
    title: 'Sign-in needed',
    advice: 'Open this address in a browser and sign in first.',
  },
  sign_in_failed: {
    title: 'Sign-in did not work',
    advice: 'Open the page that you wanted, and try again.',
  },
  sign_in_expired: {
    title: 'This sign-in is over',
    advice: 'It was begun more than 15 minutes ago, or in another browser, or has had its answer already.',
  },
  credentials_required: {
    title: 'A password or a token is needed',
    advice: 'Send one in the Authorization header. Ask the owner of this site for one.',
  },
  credentials_refused: {
    title: 'This password or token is not accepted',
    advice:
      'It is wrong, has expired, was revoked, or was made for another site. Ask the owner of this site for a new one.',
  },
  credentials_insufficient: {
    title: 'This token is not enough',
    advice: 'It is valid, but does not allow what was asked for. Ask the owner of this site for one that does.',
  },
  not_allowed: {
    title: 'You are signed in, but not allowed here',
    advice: 'Ask the owner of this site for access, or sign in with another account.',
  },
  ip_restricted: {
    title: 'Not allowed from your network',
    advice:
      'This site accepts visitors from certain addresses only. Try from another network, or ask the owner of this site.',
  },
  denied: {
    title: 'Not allowed',
    advice: 'The owner of this site has closed this address. Ask them if you need it.',
  },
  origin_refused: {
    title: 'Not allowed from another site',
    advice: 'It was started by a page of another site. Open this site itself, and start from there.',
  },
  webhook_refused: {
    title: 'This webhook is not accepted',
    advice:
      'This address accepts only webhooks that their sender has just signed. Check the secret on both sides, and the clock.',
  },
  certificate_required: {
    title: 'A certificate is needed',
    advice:
      'This site asks visitors for a certificate of their own. Ask the owner of this site for one and install it. Then close all windows of your browser, and open this address again.',
  },
  certificate_refused: {
    title: 'Your certificate is not accepted',
    advice:
      'It was not issued by an authority that this site accepts. If you have another one, close all windows of your browser, open this address again, and choose that one.',
  },
  tls_ended_elsewhere: {
    title: 'This site must be reached directly',
    advice:
      'Its owner demands something of your connection that cannot be seen behind a proxy. Tell the owner of this site.',
    operator:
      'The policy has terminate-tls, but TLS ends at a proxy in front of this relay. Let the proxy pass TLS on as it is, or remove terminate-tls.',
  },
  edge_not_found: {
    title: 'Nothing is served at this address',
    advice: 'Check the address for typing mistakes.',
  },
  route_not_found: {
    title: 'There is no such page here',
    advice: 'No route of this site covers the path you asked for. Check the address for typing mistakes.',
  },
  page_not_found: {
    title: 'There is no such page here',
    advice: 'Check the address for typing mistakes.',
  },
  method_not_allowed: {
    title: 'This method is not allowed',
    advice: 'The request method is not accepted at this address. Go back, and open the address as a link.',
  },
  request_timeout: {
    title: 'The request took too long',
    advice: 'Send it again.',
  },
  body_too_large: {
    title: 'This request is too large',
    advice: 'This address accepts smaller requests only. Send less, or ask the owner of this site for the limit.',
  },
  misdirected: {
    title: 'This connection is for another site',
    advice:
      'Load the page again: your browser then makes a connection for this site. A program must name this host in the handshake of TLS (SNI).',
  },
  headers_too_large: {
    title: 'The request headers are too large',
    advice: 'Clearing the cookies of this site often helps.',
  },
  too_many_connections: {
    title: 'Too many connections from your network',
    advice: 'Close some pages or programs that are connected to this site, and try again in a moment.',
  },
  rate_limited: {
    title: 'Too many requests',
    advice: 'You have sent more than this address allows. Wait a moment, then try again.',
  },
  too_many_requests: {
    title: 'Too many attempts',
    advice: 'Wait a minute and try again.',
  },
  expression_failed: {
    title: 'This site cannot decide about your request',
    advice: 'A rule of this site failed for it, so it went no further. Tell the owner of this site what you did.',
  },
  internal: {
    title: 'Something went wrong in the relay',
    advice: 'The operator finds the reason in the relay’s log.',
  },
  coding_unsupported: {
    title: 'This transfer coding is not supported',
    advice: 'Only chunked transfer coding is accepted.',
  },
  upgrade_unsupported: {
    title: 'This app takes no WebSockets',
    advice: 'The way to the app carries none. Tell the owner of this site what you were doing.',
    operator: 'Its tunnel speaks HTTP/2 with the app. WebSockets need a tunnel without --upstream-protocol http2.',
  },
  app_down: {
    title: 'The app is not answering',
    advice:
      'The app behind this address cannot be reached at the moment. Try again later, or tell the owner of this site.',
    operator:
      'The tunnel is online, but the app behind it refused the connection. Start the app, or check the address that the agent forwards to.',
  },
  app_bad_answer: {
    title: 'The app gave an answer that cannot be passed on',
    advice: 'Its answer did not follow the rules of HTTP. Try again, or tell the owner of this site.',
  },
  tunnel_lost: {
    title: 'The tunnel was lost',
    advice: 'The connection to the app ended before it answered. It may or may not have acted on the request.',
  },
  http_request_failed: {
    title: 'This site cannot decide about your request',
    advice: 'It has to ask another service first, which gave no answer. Try again in a moment.',
    operator:
      'An http-request of the policy got no answer; the log has the reason. on_error: continue lets requests pass.',
  },
  provider_unreachable: {
    title: 'The sign-in service cannot be reached',
    advice: 'The identity provider of this site did not answer properly. Try again in a moment.',
  },
  no_tunnel_online: {
    title: 'No tunnel is online',
    advice:
      'This address is set up, but the app behind it is not connected at the moment. Try again later, or tell the owner of this site.',
    operator: 'This address is set up, but no agent is connected for it.',
  },
  internal_endpoint_offline: {
    title: 'This part of the site is not connected',
    advice:
      'The app behind this address is not connected at the moment. Try again later, or tell the owner of this site.',
    operator:
      'The policy forwards to an internal endpoint that does not exist, or that it may not use. Start its agent, or check the url of forward-internal; the log has the reason.',
  },
  relay_full: {
    title: 'Too many visitors at the moment',
    advice: 'The relay has as many connections as it may have. Try again in a moment.',
  },
  circuit_open: {
    title: 'The app is paused',
    advice: 'It has failed too often, so it gets no requests for a moment. Try again soon.',
  },
  tunnel_full: {
    title: 'Too many requests are under way',
    advice: 'The tunnel to the app carries as many as it may at once. Try again in a moment.',
  },
  edge_broken: {
    title: 'This site cannot be served at the moment',
    advice: 'The relay cannot use its settings. Try again later, or tell the owner of this site.',
    operator: 'Its edge in the store cannot be read or built. The log of the relay has the reason.',
  },
  edge_disabled: {
    title: 'This site is closed',
    advice: 'Its owner has disabled it. Nobody can visit it until it is enabled again.',
  },
  store_unavailable: {
    title: 'Sign-in is not possible at the moment',
    advice: 'The relay cannot save new sign-ins right now. Try again in a moment.',
  },
  app_timeout: {
    title: 'The app took too long',
    advice: 'It accepted the request and did not answer in time.',
  },
  too_many_forwards: {
    title: 'This address leads in circles',
    advice: 'The rules of this site have passed the request on too often. Tell the owner of this site.',
    operator:
      'Policies have passed the request on by forward-internal more than three times, or tried too many endpoints. The log names the edges.',
  },
  loop_detected: {
    title: 'This address leads back to itself',
    advice:
      'The app behind this address has sent the request to this relay again, several times. Tell the owner of this site.',
    operator:
      'The app behind this address has sent the request to this relay again, several times. Check where the agent forwards to.',
  },
}

export const ENGLISH = {
  /** The language of the page, for browsers and screen readers (BCP 47). */
  lang: 'en',
  answeredBy: 'answered by the Sallyport relay',
  /** The word before the contact. */
  contact: 'Questions?',
  /** Links and buttons. */
  ways: {
    again: 'Try again',
    back: 'Back',
    openSite: 'Open this site',
    goOn: 'Go on',
    signIn: 'Sign in',
    signInAgain: 'Sign in again',
    signInNewTab: 'Sign in, in a new tab',
    signOut: 'Sign out',
    signOutHere: 'Sign out here',
    signOutAndChange: 'Sign out, and use another account',
  },
  errors,
  /** The drawing of the broken way. */
  path: {
    /** Describes the list for screen readers. */
    label: 'What works, and what does not',
    you: 'You',
    relay: 'Relay',
    app: 'App',
    provider: 'Sign-in',
    fine: 'Working',
    unknown: 'Not asked',
    broken,
  },
  /** Advice that replaces the one above if more is known. */
  instead: {
    onlyWebSockets: 'Only WebSockets can be opened through a connection of HTTP/2.',
    noTunnelWith: (labels: string): string =>
      `This address is set up, but no agent is connected with the label ${labels}. If it is yours, start one:`,
    agentAway: 'The agent that serves this address is not connected at the moment. Look at its terminal.',
    agentNotBack: 'The relay was restarted, and the agent that serves this address is not back yet.',
    appDown: (tried: number): string =>
      `${
        tried === 1
          ? 'The tunnel is online, but the app behind it cannot be reached: 1 tunnel was tried.'
          : `All apps are down: ${tried} tunnels were tried, and none reached the app behind it.`
      } Start the app, or check the address that the agent forwards to.`,
    providerSaid: (said: string): string => `The identity provider said: ${said}`,
    notAskedAgain: 'The identity provider was to ask you for your password again, and did not.',
    noAgreement:
      'The relay and the identity provider do not agree. To try again helps once that is mended. The operator finds the reason in the relay’s log.',
    reasonInLog: 'The operator finds the reason in the relay’s log.',
    certificateExpired:
      'It has expired. Ask the owner of this site for a new one and install it. Then close all windows of your browser, and open this address again.',
    tooManyGroups:
      'Your account has more groups than this sign-in can carry. The owner of this site can narrow them down.',
    oldCallback:
      'Go back to the page you wanted and try again. If that ends here again, tell the owner of this site: the identity provider leads to an old address.',
    oldCallbackMeans: (callback: string): string =>
      `Go back to the page you wanted and try again. If that ends here again, the identity provider still uses an old address of this relay: each provider has a redirect URI of its own now, below ${callback}/. The operator registers there what this command prints:`,
  },
  address: {
    yours: 'Your address',
    unknown: 'The relay sees the address of a proxy in front of it, not yours.',
  },
  ownHost:
    'This is the address of the relay itself, where agents connect and sign-ins pass through. The sites behind it have addresses of their own.',
  noCookies: {
    title: 'Your browser keeps no cookies of this site',
    advice: (host: string): string =>
      `Signing in needs cookies, and your browser has come back without the one that it was given. Allow cookies for ${host} in its settings, then sign in again.`,
  },
  choose: {
    title: 'Choose how to sign in',
    /** Describes the list for screen readers. */
    list: 'Ways to sign in',
  },
  notSignedIn: 'You are not signed in, or not any more.',
  notSent: {
    title: 'Your entry was not sent',
    why: 'You are not signed in, or not any more, so nothing of what you have just sent has arrived.',
    how: 'Sign in, in a new tab. Then come back to this one and reload it: your browser asks whether to send the entry once more. Or go back to the form, where most browsers still have what you wrote.',
    whyForeign:
      'It came from a page of another site, and browsers send no sign-in along with that. Nothing of it has arrived here.',
    howForeign: 'Open this site, and send it from there.',
  },
  notAllowed: {
    signedInAs: 'You are signed in as {who}.' as With<'who'>,
    unverified: 'The identity provider does not say that this email address is verified, so it does not count here.',
    groupless: 'The identity provider names no groups for you, so none can count here.',
  },
  signOut: {
    title: 'Sign out?',
    signedInAs: 'You are signed in as {who} on {site}.' as With<'who'> & With<'site'>,
    nobody: 'Nobody is signed in on {site} with this browser, as far as this relay knows.' as With<'site'>,
    advice: 'You will be signed out of this site and of its identity provider.',
    alsoUnder: (domain: string): string => `Sites under ${domain} that share the sign-in will ask for it again, too.`,
    done: 'You are signed out',
    close: 'You can close this page.',
    doneHere: 'You are signed out of this site',
    providerNext: 'Your identity provider comes next. {goOn} if nothing happens.' as With<'goOn'>,
    unwritten: 'You are signed out, but it could not be saved',
    unwrittenMeans:
      'This browser is signed out. The relay cannot save that at the moment, and keeps trying. If it is restarted before it can, a copy of your session that somebody else has would be valid again.',
    byProvider: 'Signed out.',
  },
}
