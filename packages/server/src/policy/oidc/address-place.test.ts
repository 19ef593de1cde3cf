import assert from 'node:assert/strict'
import { it } from 'node:test'

import { placeOfAddress } from './address-place.ts'

it('tells where an address lies, in every form that it may be written in', () => {
  const places = {
    public: ['93.184.216.34', '172.15.0.1', '172.32.0.1', '100.63.0.1', '2606:2800:220:1::1', '::ffff:93.184.216.34'],
    private: [
      '10.0.0.1',
      '172.16.0.1',
      '192.168.1.1',
      '100.64.0.1',
      'fd00::1',
      '::ffff:10.0.0.1',
      '64:ff9b::a00:1',
      '2002:a00:1::',
    ],
    never: [
      '127.0.0.1',
      '127.255.255.254',
      '0.0.0.0',
      '169.254.169.254',
      '255.255.255.255',
      '::1',
      '::',
      'fe80::1',
      'fe80::1%eth0',
      '::ffff:127.0.0.1',
      '::ffff:7f00:1',
      '::ffff:169.254.169.254',
      'localhost',
      '',
    ],
  }
  for (const [place, addresses] of Object.entries(places)) {
    for (const address of addresses) assert.equal(placeOfAddress(address), place, address)
  }
})
