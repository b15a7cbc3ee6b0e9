// QR codes (ISO/IEC 18004, model 2): bytes, error correction M, versions 1 to 10.
// An address of up to 213 bytes fits; a longer one gives null.

// Of each version at level M: code words for correction in a block, then the data
// code words of each block.
const BLOCKS = [
  null,
  [10, [16]],
  [16, [28]],
  [26, [44]],
  [18, [32, 32]],
  [24, [43, 43]],
  [16, [27, 27, 27, 27]],
  [18, [31, 31, 31, 31]],
  [22, [38, 38, 39, 39]],
  [22, [36, 36, 36, 37, 37]],
  [26, [43, 43, 43, 43, 44]],
];

// Centres of the alignment patterns, in both directions.
const ALIGNMENT = [
  null,
  [],
  [6, 18],
  [6, 22],
  [6, 26],
  [6, 30],
  [6, 34],
  [6, 22, 38],
  [6, 24, 42],
  [6, 26, 46],
  [6, 28, 50],
];

const MASKS = [
  (row, column) => (row + column) % 2 === 0,
  (row) => row % 2 === 0,
  (_, column) => column % 3 === 0,
  (row, column) => (row + column) % 3 === 0,
  (row, column) => ((row >> 1) + Math.floor(column / 3)) % 2 === 0,
  (row, column) => ((row * column) % 2) + ((row * column) % 3) === 0,
  (row, column) => (((row * column) % 2) + ((row * column) % 3)) % 2 === 0,
  (row, column) => (((row + column) % 2) + ((row * column) % 3)) % 2 === 0,
];

/** Return the code of a text as rows of booleans (true is dark), or null. */
export function qrCode(text) {
  const bytes = [...new TextEncoder().encode(text)];
  const version = BLOCKS.findIndex(
    (blocks, number) => blocks && bytes.length <= room(number),
  );
  if (version < 0) return null;
  const words = interleaved(version, dataWords(version, bytes));
  let best = null;
  for (let mask = 0; mask < MASKS.length; mask += 1) {
    const code = drawn(version, words, mask);
    const cost = penalty(code);
    if (best === null || cost < best.cost) best = { code, cost };
  }
  return best.code;
}

/** Return a code as an SVG element with the margin that cameras need. */
export function qrPicture(code, margin = 4) {
  const side = code.length + 2 * margin;
  const path = code
    .flatMap((row, y) =>
      row.map((dark, x) => (dark ? `M${x + margin} ${y + margin}h1v1h-1z` : "")),
    )
    .join("");
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${side} ${side}`);
  svg.setAttribute("shape-rendering", "crispEdges");
  svg.setAttribute("aria-hidden", "true");
  const dark = document.createElementNS(svg.namespaceURI, "path");
  dark.setAttribute("d", path);
  svg.append(dark);
  return svg;
}

// --- bits ---------------------------------------------------------------------

const capacity = (version) => BLOCKS[version][1].reduce((sum, words) => sum + words);

const lengthBits = (version) => (version < 10 ? 8 : 16);

const room = (version) =>
  Math.floor((capacity(version) * 8 - 4 - lengthBits(version)) / 8);

function dataWords(version, bytes) {
  const bits = [];
  const put = (value, count) => {
    for (let bit = count - 1; bit >= 0; bit -= 1) bits.push((value >> bit) & 1);
  };
  put(0b0100, 4);
  put(bytes.length, lengthBits(version));
  for (const byte of bytes) put(byte, 8);
  const total = capacity(version) * 8;
  put(0, Math.min(4, total - bits.length));
  while (bits.length % 8) bits.push(0);
  for (let filler = 0xec; bits.length < total; filler ^= 0xec ^ 0x11) put(filler, 8);
  const words = [];
  for (let at = 0; at < total; at += 8)
    words.push(bits.slice(at, at + 8).reduce((word, bit) => (word << 1) | bit, 0));
  return words;
}

function interleaved(version, words) {
  const [count, sizes] = BLOCKS[version];
  let from = 0;
  const blocks = sizes.map((size) => words.slice(from, (from += size)));
  const corrections = blocks.map((block) => remainder(block, generator(count)));
  return [...columns(blocks), ...columns(corrections)];
}

function columns(blocks) {
  const longest = Math.max(...blocks.map((block) => block.length));
  const found = [];
  for (let at = 0; at < longest; at += 1)
    for (const block of blocks) if (at < block.length) found.push(block[at]);
  return found;
}

// --- Reed-Solomon over GF(256) modulo x^8 + x^4 + x^3 + x^2 + 1 -----------------

function times(a, b) {
  let product = 0;
  for (let bit = 7; bit >= 0; bit -= 1) {
    product = (product << 1) ^ ((product >> 7) * 0x11d);
    if ((b >> bit) & 1) product ^= a;
  }
  return product;
}

/** Return (x - 1)(x - 2)(x - 4)… without its leading 1, highest power first. */
function generator(degree) {
  let product = [1];
  let root = 1;
  for (let factor = 0; factor < degree; factor += 1) {
    const shifted = [...product, 0];
    product.forEach((value, at) => {
      shifted[at + 1] ^= times(value, root);
    });
    product = shifted;
    root = times(root, 2);
  }
  return product.slice(1);
}

function remainder(words, divisor) {
  const left = new Array(divisor.length).fill(0);
  for (const word of words) {
    const factor = word ^ left.shift();
    left.push(0);
    divisor.forEach((value, at) => {
      left[at] ^= times(value, factor);
    });
  }
  return left;
}

// --- modules ------------------------------------------------------------------

function drawn(version, words, mask) {
  const side = 17 + 4 * version;
  const code = Array.from({ length: side }, () => new Array(side).fill(null));
  const set = (row, column, dark) => {
    if (row >= 0 && row < side && column >= 0 && column < side)
      code[row][column] = Boolean(dark);
  };
  for (const [row, column] of [
    [3, 3],
    [3, side - 4],
    [side - 4, 3],
  ])
    finder(set, row, column);
  const centres = ALIGNMENT[version];
  for (const row of centres)
    for (const column of centres)
      if (code[row][column] === null) alignment(set, row, column);
  for (let at = 8; at < side - 8; at += 1) {
    set(6, at, at % 2 === 0);
    set(at, 6, at % 2 === 0);
  }
  writeFormat(set, side, mask);
  if (version >= 7) writeVersion(set, side, version);
  fill(code, words, MASKS[mask]);
  return code;
}

function finder(set, row, column) {
  for (let y = -4; y <= 4; y += 1)
    for (let x = -4; x <= 4; x += 1) {
      const ring = Math.max(Math.abs(x), Math.abs(y));
      set(row + y, column + x, ring !== 2 && ring !== 4);
    }
}

function alignment(set, row, column) {
  for (let y = -2; y <= 2; y += 1)
    for (let x = -2; x <= 2; x += 1)
      set(row + y, column + x, Math.max(Math.abs(x), Math.abs(y)) !== 1);
}

/** Return a value with its BCH check bits below it. */
function checked(value, bits, divisor) {
  let left = value << bits;
  const top = 31 - Math.clz32(divisor);
  for (let at = 31 - Math.clz32(left); left && at >= top; at = 31 - Math.clz32(left))
    left ^= divisor << (at - top);
  return (value << bits) | left;
}

function writeFormat(set, side, mask) {
  // Level M is 00, so the value is the mask alone.
  const format = checked(mask, 10, 0x537) ^ 0x5412;
  for (let at = 0; at < 15; at += 1) {
    const dark = (format >> at) & 1;
    // Along the top left finder, past the timing patterns …
    if (at < 8) set(at < 6 ? at : at + 1, 8, dark);
    else set(8, at === 8 ? 7 : 14 - at, dark);
    // … and once more, shared by the other two.
    if (at < 8) set(8, side - 1 - at, dark);
    else set(side - 15 + at, 8, dark);
  }
  set(side - 8, 8, true);
}

function writeVersion(set, side, version) {
  const word = checked(version, 12, 0x1f25);
  for (let at = 0; at < 18; at += 1) {
    const [far, near] = [side - 11 + (at % 3), Math.floor(at / 3)];
    set(far, near, (word >> at) & 1);
    set(near, far, (word >> at) & 1);
  }
}

/** Lay the words' bits in pairs of columns, upwards and downwards in turn. */
function fill(code, words, masks) {
  const side = code.length;
  let at = 0;
  let upwards = true;
  for (let right = side - 1; right > 0; right -= 2) {
    if (right === 6) right -= 1;
    for (let step = 0; step < side; step += 1) {
      const row = upwards ? side - 1 - step : step;
      for (const column of [right, right - 1]) {
        if (code[row][column] !== null) continue;
        const bit = at < words.length * 8 ? (words[at >> 3] >> (7 - (at & 7))) & 1 : 0;
        code[row][column] = Boolean(bit) !== masks(row, column);
        at += 1;
      }
    }
    upwards = !upwards;
  }
}

// --- which mask is easiest to read ----------------------------------------------

const LOOKS_LIKE_A_FINDER = ["10111010000", "00001011101"];

function penalty(code) {
  const side = code.length;
  const rows = code.map((row) => row.map(Number).join(""));
  const turned = rows.map((_, x) => rows.map((row) => row[x]).join(""));
  let cost = 0;
  for (const line of [...rows, ...turned]) {
    for (const run of line.match(/0{5,}|1{5,}/g) ?? []) cost += run.length - 2;
    for (let at = 0; at + 11 <= side; at += 1)
      if (LOOKS_LIKE_A_FINDER.includes(line.slice(at, at + 11))) cost += 40;
  }
  for (let y = 1; y < side; y += 1)
    for (let x = 1; x < side; x += 1)
      if (new Set([rows[y][x], rows[y - 1][x], rows[y][x - 1], rows[y - 1][x - 1]]).size === 1)
        cost += 3;
  const dark = rows.join("").replaceAll("0", "").length / (side * side);
  return cost + 10 * Math.floor(Math.abs(dark * 100 - 50) / 5);
}
