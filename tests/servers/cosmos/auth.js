'use strict';

// Checks the signature that every client makes with the account's key, as the service does. A test server that took
// any key would let a wrong signature, or a client without one, pass unseen.

const crypto = require('node:crypto');

const { Refusal } = require('./refusal');

/** Returns what a request's signature names: the kind of resource, and the path of the resource or of its parent. */
function signedResource(pathname) {
  const segments = pathname.split('/').filter(Boolean).map(decodeURIComponent);
  const isFeed = segments.length % 2 === 1;
  return {
    type: (isFeed ? segments.at(-1) : segments.at(-2)) ?? '',
    link: (isFeed ? segments.slice(0, -1) : segments).join('/'),
  };
}

function checkSignature(request, pathname, key) {
  const { type, link } = signedResource(pathname);
  const date = request.headers['x-ms-date'] ?? '';
  const text = `${request.method.toLowerCase()}\n${type}\n${link}\n${date.toLowerCase()}\n\n`;
  const signature = crypto.createHmac('sha256', Buffer.from(key, 'base64')).update(text).digest('base64');
  const given = decodeURIComponent(request.headers.authorization ?? '');
  if (given !== `type=master&ver=1.0&sig=${signature}`) {
    throw new Refusal(401, 'Unauthorized', "The input authorization token can't serve the request.");
  }
}

module.exports = { checkSignature, signedResource };
