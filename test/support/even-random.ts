/*
 * Runs before each test file: a random duration is the middle of its range, so that no test depends on chance. Draws
 * differ a little, because other libraries make ids of them.
 */

let drawn = 0
Math.random = () => 0.5 + (drawn++ % 100_000) / 1e7
