import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { callbackPath, redirectUri } from './redirect-uri.ts'

describe('the redirect URI of an issuer', () => {
  it('S1: stays as registered, however the code changes', () => {
    assert.equal(
      redirectUri('https://relay.example.com:8443', 'https://login.example.com/realms/staff'),
      'https://relay.example.com:8443/oidc/callback/login.example.com-a2e5a2ef665da1e7ba02',
    )
    assert.equal(callbackPath('https://accounts.google.com'), '/oidc/callback/accounts.google.com-89a8000a68d759c68bfa')
  })

  it('S1: is the same with or without a slash at the issuer’s end, and for any case of its host', () => {
    const one = callbackPath('https://login.example.com/t')
    for (const same of [
      'https://login.example.com/t/',
      'https://Login.Example.COM/t',
      'https://login.example.com:443/t',
    ]) {
      assert.equal(callbackPath(same), one, same)
    }
    assert.equal(callbackPath('https://login.example.com'), callbackPath('https://login.example.com/'))
  })

  it('S1: is different for each issuer', () => {
    const issuers = [
      'https://login.example.com',
      'http://login.example.com',
      'https://login.example.com:8443',
      'https://login.example.com/t',
      'https://login.example.com/T',
      'https://login.example.com/t//',
      'https://login.example.com/t%2f',
      'https://login-example.com',
      'https://login.example.com.',
      'https://[::1]:9000',
      'https://[::1]:9001',
      `https://${'a.'.repeat(60)}example.com`,
      `https://${'a.'.repeat(60)}example.org`,
    ]
    assert.equal(new Set(issuers.map(callbackPath)).size, issuers.length)
  })

  it('S1: is plain: it needs no escapes, and no host makes it long', () => {
    for (const issuer of [
      'https://[::1]:9000',
      'https://bücher.example',
      'https://a_b.example',
      `https://${'a.'.repeat(200)}de`,
    ]) {
      assert.match(callbackPath(issuer), /^\/oidc\/callback\/[a-z0-9.-]{1,100}-[0-9a-f]{20}$/, issuer)
    }
  })
})
