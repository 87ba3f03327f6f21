'use strict';

// The one place that loads the npm packages, so that what is to be changed in their text is changed before anything
// else loads it. What they offer to be replaced at run time is replaced where the reason is: vectors.js, query.js,
// partitions.js.

const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');

/** The text to change must be there exactly once, so that another version of the package cannot be changed by chance. */
function loadChanged(request, text, replacement) {
  const filename = require.resolve(request);
  const parts = fs.readFileSync(filename, 'utf8').split(text);
  if (filename in require.cache) throw new Error(`${request} has been loaded unchanged already`);
  if (parts.length !== 2) throw new Error(`${request} has the text to change ${parts.length - 1} times, not once`);
  const changed = new Module(filename, module);
  changed.filename = filename;
  changed.paths = Module._nodeModulePaths(path.dirname(filename));
  require.cache[filename] = changed;
  changed._compile(parts.join(replacement), filename);
  changed.loaded = true;
}

// ORDER BY takes paths only. An expression that vectors.js has marked becomes a function of the row, and the second
// element says as ever whether the highest come first.
loadChanged(
  '@zeit/cosmosdb-query/lib/transformer.js',
  'sort_expression(contexts, { expression, order }) {',
  `sort_expression(contexts, { expression, order }) {
    if (expression.lowestFirst !== undefined) {
      const key = {
        type: "ArrowFunctionExpression",
        params: [contexts[contexts.length - 1].document],
        body: transform(contexts, expression),
      };
      return { type: "ArrayExpression", elements: [key, { type: "BooleanLiteral", value: !expression.lowestFirst }] };
    }`,
);

module.exports = {
  Account: require('@vercel/cosmosdb-server/lib/account').default,
  Collections: require('@vercel/cosmosdb-server/lib/account/collections').default,
  Documents: require('@vercel/cosmosdb-server/lib/account/documents').default,
  findRoute: require('@vercel/cosmosdb-server/lib/routes').default,
  functions: require('@zeit/cosmosdb-query/lib/builtin-functions.js'),
  getValue: require('@vercel/cosmosdb-server/lib/utils/get-value').default,
  helpers: require('@zeit/cosmosdb-query/lib/helpers.js'),
  parseQuery: require('@zeit/cosmosdb-query').default,
  patchOperation: require('@vercel/cosmosdb-server/lib/handler/_patch-operations').patchOperation,
};
