/*
 * Draws the plots of the page: each `data-plot` names one in the JSON of #plots (plot.ts has its form). Everything else of the page is there without
 * this script. Runs as a classic script behind uPlot; asks for nothing and keeps nothing.
 */
(function () {
  'use strict';

  if (typeof uPlot !== 'function') {
    for (const holder of document.querySelectorAll('[data-plot]')) holder.textContent = 'This browser could not draw the plot. The figures are in the tables.';
    return;
  }
  const plots = JSON.parse(document.getElementById('plots').textContent);
  const holders = [...document.querySelectorAll('[data-plot]')];
  const drawn = new Map();
  const height = 260;
  const paperWidth = 640;

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim() || '#808080';
  }

  /** As numbers.ts writes them, and shorter from ten thousand on. */
  function short(value) {
    const size = Math.abs(value);
    if (size >= 1e6) return `${+(value / 1e6).toPrecision(3)} M`;
    if (size >= 1e4) return `${+(value / 1e3).toPrecision(3)} k`;
    return String(+value.toPrecision(3));
  }

  /** Of labels that would lie over each other on a narrow screen, the earlier ones. */
  function fitting(self, ticks) {
    let free = -Infinity;
    return ticks.map(({ at, text }) => {
      const [middle, half] = [self.valToPos(at, 'x'), text.length * 3.6];
      if (middle - half < free) return '';
      free = middle + half + 6;
      return text;
    });
  }

  function axis(form, extra) {
    const ticks = form.ticks === null ? {} : { splits: () => form.ticks.map((tick) => tick.at), values: (self) => fitting(self, form.ticks), filter: (_, at) => at };
    const values = (_, splits) => splits.map((value) => (value === null ? '' : short(value)));
    const grid = { stroke: colour('--grid'), width: 1 };
    return { label: form.label, labelSize: 20, font: '12px system-ui, sans-serif', labelFont: '12px system-ui, sans-serif', stroke: colour('--muted'), grid, ticks: grid, values, ...ticks, ...extra };
  }

  /** The next of 1, 2, 5, 10, ... below or above. */
  function roundLog(value, isUp) {
    const power = 10 ** Math.floor(Math.log10(value));
    const steps = [1, 2, 5, 10].map((step) => step * power);
    return isUp ? steps.find((step) => step >= value * 0.999) : steps.reverse().find((step) => step <= value * 1.001);
  }

  function rangeY(form, plot) {
    return (_, low, high) => {
      const all = plot.lines.flatMap((line) => (line.ranges === null ? [] : line.ranges.flat())).filter((value) => value !== null);
      const [min, max] = [Math.min(low ?? 1, ...all), Math.max(high ?? 1, ...all)];
      if (!form.isLog) return [Math.min(0, min), max > 0 ? max * 1.08 : 1];
      const [from, to] = [roundLog(min, false), roundLog(max, true)];
      return from < to ? [from, to] : [from / 2, to * 2];
    };
  }

  function rangeX(plot) {
    return (self, low, high) => {
      if (low === null) return [0, 1];
      const isWhole = low === plot.xs[0] && high === plot.xs[plot.xs.length - 1];
      if (isWhole && plot.x.range !== null) return plot.x.range;
      const room = plot.xs.length <= 12 && isWhole ? (high - low) * 0.06 || 0.5 : 0;
      return [low - room, high + room];
    };
  }

  /** What was done to the servers: a shade while it lasted, a line where it began, and its number in the list below. */
  function drawMarks(plot) {
    return (self) => {
      const { ctx, bbox } = self;
      const ratio = uPlot.pxRatio;
      ctx.save();
      ctx.beginPath();
      ctx.rect(bbox.left, bbox.top - 16 * ratio, bbox.width, bbox.height + 16 * ratio);
      ctx.clip();
      ctx.font = `bold ${12 * ratio}px system-ui, sans-serif`;
      ctx.textAlign = 'left';
      ctx.textBaseline = 'top';
      for (const mark of plot.marks) {
        const [from, to] = [self.valToPos(mark.from, 'x', true), self.valToPos(mark.to, 'x', true)];
        ctx.fillStyle = colour('--mark-shade');
        if (to > from) ctx.fillRect(from, bbox.top, to - from, bbox.height);
        ctx.fillStyle = colour('--mark');
        ctx.fillRect(from, bbox.top, Math.max(1, ratio), bbox.height);
        ctx.fillText(mark.label, from + 3 * ratio, bbox.top + 2 * ratio);
      }
      ctx.restore();
    };
  }

  function drawRanges(plot) {
    return (self) => {
      const { ctx } = self;
      const ratio = uPlot.pxRatio;
      ctx.save();
      for (const line of plot.lines) {
        if (line.ranges === null) continue;
        ctx.strokeStyle = colour(`--line-${line.colour}`);
        ctx.lineWidth = 1.5 * ratio;
        line.ranges.forEach((range, i) => {
          if (range === null) return;
          const x = self.valToPos(plot.xs[i], 'x', true);
          const [low, high] = range.map((value) => self.valToPos(value, 'y', true));
          ctx.beginPath();
          for (const y of [low, high]) (ctx.moveTo(x - 4 * ratio, y), ctx.lineTo(x + 4 * ratio, y));
          ctx.moveTo(x, low);
          ctx.lineTo(x, high);
          ctx.stroke();
        });
      }
      ctx.restore();
    };
  }

  function readOut(holder, plot) {
    const line = holder.nextElementSibling;
    const at = (i) => plot.x.ticks?.find((tick) => tick.at === plot.xs[i])?.text ?? (plot.x.label === 'share of the commands' ? `${+(100 - 100 / 10 ** plot.xs[i]).toFixed(4)} %` : `${short(plot.xs[i])} ${plot.x.label}`);
    return (self) => {
      const i = self.cursor.idx;
      const known = i === null || i === undefined ? [] : plot.lines.filter((one) => one.values[i] !== null);
      line.textContent = known.length === 0 ? '' : `${at(i)}: ${known.map((one) => `${one.name} ${short(one.values[i])}`).join(' · ')}`;
    };
  }

  function alone(values) {
    const isThere = (i) => values[i] !== null && values[i] !== undefined;
    return values.flatMap((_, i) => (isThere(i) && !isThere(i - 1) && !isThere(i + 1) ? [i] : []));
  }

  function draw(holder, width) {
    const plot = plots[Number(holder.dataset.plot)];
    const series = plot.lines.map((line) => ({
      stroke: colour(`--line-${line.colour}`), width: 2, dash: line.dash, spanGaps: plot.spansGaps,
      // Of many values only those that have no neighbour to draw a line to: what was answered between two gaps.
      points: { show: true, size: 6, fill: colour(`--line-${line.colour}`), filter: plot.xs.length <= 30 || plot.spansGaps ? null : () => alone(line.values) },
    }));
    const options = {
      width, height, legend: { show: false }, series: [{}, ...series],
      cursor: plot.group === '' ? {} : { sync: { key: plot.group } },
      scales: { x: { time: false, range: rangeX(plot) }, y: { distr: plot.y.isLog ? 3 : 1, range: rangeY(plot.y, plot) } },
      axes: [axis(plot.x, { size: 30 }), axis(plot.y, { size: 54 })],
      hooks: { drawClear: [drawMarks(plot)], draw: [drawRanges(plot)], setCursor: [readOut(holder, plot)] },
    };
    drawn.get(holder)?.destroy();
    drawn.set(holder, new uPlot(options, [plot.xs, ...plot.lines.map((line) => line.values)], holder));
  }

  /** Also for what a closed <details> holds: it has a width once it is opened. */
  function fit(holder, width) {
    if (width <= 0) return;
    const already = drawn.get(holder);
    if (already === undefined) draw(holder, width);
    else if (already.width !== width) already.setSize({ width, height });
  }

  function redraw(width) {
    for (const holder of drawn.keys()) draw(holder, width ?? holder.clientWidth);
  }

  const watcher = new ResizeObserver((entries) => entries.forEach((entry) => fit(entry.target, Math.floor(entry.contentRect.width))));
  for (const holder of holders) watcher.observe(holder);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => redraw());
  // Paper is white and has a width of its own.
  addEventListener('beforeprint', () => {
    document.documentElement.dataset.theme = 'light';
    for (const table of document.querySelectorAll('.costs')) table.open = true;
    for (const holder of drawn.keys()) draw(holder, Math.min(paperWidth, holder.clientWidth));
  });
  addEventListener('afterprint', () => {
    delete document.documentElement.dataset.theme;
    redraw();
  });
})();
