// In a guest: opens regions, and prints for each what came of it as a line of JSON.
//   open.mjs CHECKOUT REGION...
const [, , checkout, ...names] = process.argv;
const { openMapping } = await import(`${checkout}/dist/native/index.js`);

for (const name of names)
  try {
    const mapping = openMapping(name);
    console.log(JSON.stringify({ byteLength: mapping.byteLength }));
    mapping.close();
  } catch ({ code, message, hint }) {
    console.log(JSON.stringify({ code, message, hint }));
  }
