import assert from 'node:assert/strict'
import { it } from 'node:test'

import { placeOfAddress } from './address-place.ts'

it('S8: tells where an address lies, in every written form', () => {
  const places = {
    public: [
      '93.184.216.34',
      '172.15.0.1',
      '172.32.0.1',
      '100.63.0.1',
      '2606:2800:220:1::1',
      '::ffff:93.184.216.34',
      '64:ff9b::93.184.216.34',
      '64:ff9b::5db8:d822',
    ],
    private: [
      '10.0.0.1',
      '172.16.0.1',
      '192.168.1.1',
      '100.64.0.1',
      'fd00::1',
      '::ffff:10.0.0.1',
      '64:ff9b::a00:1',
      '64:ff9b::10.0.0.1',
      '64:ff9b:1::5db8:d822',
      '::ffff:0:93.184.216.34',
      '2001:0:1::1',
      '2002:a00:1::',
    ],
    loopback: ['127.0.0.1', '127.255.255.254', '::1', '::ffff:127.0.0.1', '::ffff:7f00:1', '0:0:0:0:0:ffff:7f00:1'],
    never: [
      '0.0.0.0',
      '0.1.2.3',
      '169.254.169.254',
      '255.255.255.255',
      '::',
      '::ffff:0.0.0.0',
      'fe80::1',
      'fe80::1%eth0',
      '::ffff:169.254.169.254',
      '::127.0.0.1',
      '::7f00:1',
      '::93.184.216.34',
      '168.63.129.16',
      '::ffff:168.63.129.16',
      '100.100.100.200',
      '192.0.0.192',
      'fd00:ec2::254',
      'fd20:ce::254',
      '64:ff9b::127.0.0.1',
      '64:ff9b::a9fe:a9fe',
      '64:ff9b:1::169.254.169.254',
      '::ffff:0:127.0.0.1',
      '2002:7f00:1::',
      '2002:a9fe:a9fe::1',
      'localhost',
      '',
    ],
  }
  for (const [place, addresses] of Object.entries(places)) {
    for (const address of addresses) assert.equal(placeOfAddress(address), place, address)
  }
})
