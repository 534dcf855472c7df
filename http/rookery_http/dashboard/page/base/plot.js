// Small plots: a line over time, bars of single values. Each says in words what it shows.

const NS = "http://www.w3.org/2000/svg";
const WIDTH = 240;
const HEIGHT = 48;

function drawing(kind) {
  const svg = document.createElementNS(NS, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("class", `plot plot-${kind}`);
  return svg;
}

/** A line through the values, over its area, from left to right. */
export function linePlot() {
  const svg = drawing("line");
  const area = document.createElementNS(NS, "polygon");
  const line = document.createElementNS(NS, "polyline");
  svg.append(area, line);
  return {
    element: svg,
    /** `whole` values would fill the width; fewer stand at its right end, where the present is. */
    draw(values, words, whole = values.length) {
      const shown = values.length < 2 ? [0, ...values, ...(values.length ? [] : [0])] : values;
      const most = Math.max(1e-9, ...shown);
      const step = WIDTH / (Math.max(whole, shown.length) - 1);
      const start = WIDTH - step * (shown.length - 1);
      const points = shown.map((value, index) => `${(start + index * step).toFixed(1)},${(HEIGHT - 2 - (value / most) * (HEIGHT - 6)).toFixed(1)}`);
      line.setAttribute("points", points.join(" "));
      area.setAttribute("points", `${start.toFixed(1)},${HEIGHT} ${points.join(" ")} ${WIDTH},${HEIGHT}`);
      svg.setAttribute("aria-label", words);
    },
  };
}

/** A bar for each value; `tones` colour them. */
export function barPlot(most) {
  const svg = drawing("bars");
  const bars = Array.from({ length: most }, () => document.createElementNS(NS, "rect"));
  svg.append(...bars);
  return {
    element: svg,
    draw(values, tones, words) {
      const top = Math.max(1e-9, ...values);
      const width = WIDTH / most;
      bars.forEach((bar, index) => {
        const at = index - (most - values.length);
        const height = at < 0 ? 0 : Math.max(2, (values[at] / top) * (HEIGHT - 4));
        bar.setAttribute("x", (index * width + width * 0.15).toFixed(2));
        bar.setAttribute("width", (width * 0.7).toFixed(2));
        bar.setAttribute("y", (HEIGHT - height).toFixed(2));
        bar.setAttribute("height", height.toFixed(2));
        bar.dataset.tone = at < 0 ? "" : tones[at];
      });
      svg.setAttribute("aria-label", words);
    },
  };
}

