// Says to screen readers what ipywidgets shows and does not say: the name of each slider, of the number
// beside it and of each progress bar, and which button of a row is pressed.

const WIDGETS = ".widget-slider, .widget-hprogress, .widget-toggle-buttons";

function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (element.getAttribute(name) !== value) element.setAttribute(name, value);
  }
}

function say(panel) {
  for (const widget of panel.querySelectorAll(WIDGETS)) {
    const name = widget.querySelector(".widget-label").textContent.trim();
    const each = (selector, action) => widget.querySelectorAll(selector).forEach(action);
    each(".noUi-handle", (handle) => set(handle, { "aria-label": name }));
    each(".widget-readout", (number) => set(number, { role: "textbox", "aria-label": `${name}, the number` }));
    each(".progress", (bar) => {
      const share = Math.round(parseFloat(bar.firstElementChild.style.width) || 0);
      set(bar, { role: "progressbar", "aria-label": name, "aria-valuenow": `${share}` });
    });
    each(".widget-toggle-button", (button) => {
      set(button.parentElement, { role: "group", "aria-label": name });
      set(button, { "aria-pressed": `${button.classList.contains("mod-active")}` });
    });
  }
  panel.querySelectorAll(".course-status").forEach((words) => set(words, { role: "status" }));
}

function render({ el }) {
  let observer = null;
  let waiting = null;
  function begin() {
    const panel = el.closest(".course-panel");
    if (!panel) {
      waiting = setTimeout(begin, 50); // the panel takes its children in after they are made
      return;
    }
    observer = new MutationObserver(() => say(panel));
    const what = { subtree: true, childList: true, attributes: true, attributeFilter: ["class", "style"] };
    observer.observe(panel, what);
    say(panel);
  }
  begin();
  return () => {
    clearTimeout(waiting);
    observer?.disconnect();
  };
}

export default { render };
