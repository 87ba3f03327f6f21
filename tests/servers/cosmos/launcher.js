'use strict';

// A Cosmos DB server for tests: npm's @vercel/cosmosdb-server, mended where it answers wrongly without saying so.
//
// It reads one line of JSON from its standard input (certificate, private key, account key, port), prints one line when
// it listens, on loopback only, and ends when the standard input closes: with the process that started it.

const https = require('node:https');
const readline = require('node:readline');

const { Faults } = require('./faults');
const { Recorder } = require('./requests');
const { Service } = require('./service');
const { Refusal } = require('./refusal');

const MAX_BODY = 2 * 1024 * 1024;

/** Returns the body, or undefined when it is larger than the service takes; reads to the end either way. */
async function readBody(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size <= MAX_BODY) chunks.push(chunk);
  }
  return size <= MAX_BODY ? Buffer.concat(chunks) : undefined;
}

/** Returns the answer to a request for the server itself: faults, what was asked, and the clock. */
function control(method, name, body, { faults, recorder, clock, service }) {
  const actions = {
    'POST /_faults': () => faults.add(JSON.parse(body)),
    'DELETE /_faults': () => faults.clear(),
    'GET /_requests': () => recorder.report(),
    'DELETE /_requests': () => recorder.clear(),
    'POST /_empty': () => service.empty(JSON.parse(body).database),
    // Time to live is in seconds: tests move the clock instead of waiting.
    'POST /_clock': () => clock.advance(JSON.parse(body).seconds),
  };
  const action = actions[`${method} ${name}`];
  if (!action) throw new Refusal(404, 'NotFound', `There is no ${method} ${name}`);
  return { status: 200, body: action() ?? {} };
}

async function answer(request, response, server) {
  const { pathname } = new URL(request.url.replace(/^\/+/, '/'), 'https://localhost');
  const isControl = pathname.startsWith('/_');
  const { entry, done } = isControl ? {} : server.recorder.follow(request, response, pathname);
  const body = await readBody(request);
  let reply;
  try {
    if (isControl) {
      reply = control(request.method, pathname, body, server);
    } else {
      if (!(await server.faults.meet(entry, request.socket))) return;
      if (!body) throw new Refusal(413, 'RequestEntityTooLarge', 'Request size is too large');
      reply = await server.service.answer(request, pathname, entry.operation, body);
    }
  } catch (error) {
    if (!(error instanceof Refusal)) console.error(error);
    reply = error instanceof Refusal ? error : { status: 500, body: { code: 'Error', message: String(error) } };
  }
  done?.(reply.status);
  response.writeHead(reply.status, { 'content-type': 'application/json', ...reply.headers });
  response.end(reply.status === 204 || reply.status === 304 ? undefined : JSON.stringify(reply.body));
}

/** Moves this process's time, for the age of items and the time stamps on them alike. */
function startClock() {
  const now = Date.now;
  let ahead = 0;
  Date.now = () => now() + ahead;
  return {
    advance: (seconds) => {
      ahead += seconds * 1000;
    },
  };
}

function start({ certificate, privateKey, key, port }) {
  const server = { faults: new Faults(), recorder: new Recorder(), clock: startClock() };
  // The service keeps idle connections for minutes. Node's default of five seconds would cut off a pooled one of a
  // slow test, which its client would see as a fault.
  const options = { cert: certificate, key: privateKey, keepAliveTimeout: 600_000 };
  const listener = https.createServer(options, (request, response) => {
    answer(request, response, server).catch((error) => {
      console.error(error); // the client has gone in the middle of its request
      response.destroy();
    });
  });
  listener.listen(port, '127.0.0.1', () => {
    const { port: actual } = listener.address();
    server.service = new Service(actual, key);
    console.log(`Listening on https://127.0.0.1:${actual}/`);
  });
}

const input = readline.createInterface({ input: process.stdin });
input.once('line', (line) => start(JSON.parse(line)));
input.once('close', () => process.exit(0));
