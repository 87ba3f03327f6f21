'use strict';

/** An answer other than success, thrown from wherever it becomes clear. */
class Refusal extends Error {
  constructor(status, code, message, headers = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }

  get body() {
    return { code: this.code, message: this.message };
  }
}

const badRequest = (message, headers) => new Refusal(400, 'BadRequest', message, headers);

module.exports = { Refusal, badRequest };
