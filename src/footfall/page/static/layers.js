/** Canvases over the map, one on the other, and what part of the world they show. */

/** @typedef {{ scale: number, left: number, top: number, width: number, height: number }} View pixels of the world */

/** Pixels of the screen for one of the page, at most: more are not seen, and cost. */
const MAX_RATIO = 2;

/** @param {HTMLElement} element @param {string} name @returns {CanvasRenderingContext2D} */
export function layer(element, name) {
  const canvas = document.createElement("canvas");
  canvas.dataset.layer = name;
  canvas.style.cssText = "position:absolute;left:0;top:0;transform-origin:0 0;pointer-events:none;z-index:300";
  element.append(canvas);
  return /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
}

/** Give it the size of the view; it is empty then. @param {CanvasRenderingContext2D} context @param {View} view */
export function fit(context, { width, height }) {
  const { canvas } = context;
  const ratio = Math.min(devicePixelRatio, MAX_RATIO);
  const [columns, rows] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width === columns && canvas.height === rows) return;
  canvas.width = columns;
  canvas.height = rows;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
}

/** Put what was drawn of one view to where it is in another. @param {CanvasRenderingContext2D} context @param {View} drawn @param {View} now */
export function move({ canvas }, drawn, now) {
  const growth = now.scale / drawn.scale;
  canvas.style.transform = `translate(${drawn.left * growth - now.left}px, ${drawn.top * growth - now.top}px) scale(${growth})`;
}

/**
 * A picture that is drawn once, at twice its size.
 * @param {number} size pixels of the page
 * @param {(context: CanvasRenderingContext2D) => void} draw
 * @returns {HTMLCanvasElement}
 */
export function sprite(size, draw) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 2 * size;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.scale(2, 2);
  draw(context);
  return canvas;
}

/** @param {CanvasRenderingContext2D} context @param {number} x @param {number} y @param {number} radius @param {string} colour */
export function ring(context, x, y, radius, colour) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.lineWidth = 3;
  context.strokeStyle = colour;
  context.stroke();
}
