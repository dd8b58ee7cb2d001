// Elements of a page, made in one call.

// tag: name, perhaps with a class: 'p.hint'. attributes: of the element; those that begin with on are listeners. children: elements or texts.
export function element(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split('.');
  const found = document.createElement(name);
  if (classes.length) found.className = classes.join(' ');
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) found.addEventListener(key.slice(2), value);
    else if (value === true) found.setAttribute(key, '');
    else if (value !== false && value !== null && value !== undefined) found.setAttribute(key, value);
  }
  found.append(...children);
  return found;
}

export function button(text, press, kind = '') {
  return element(`button${kind && `.${kind}`}`, {type: 'button', onclick: press}, text);
}

// A name of a feature as people write it: median_income is "median income".
export function spoken(name) {
  return name.replace(/_+/g, ' ').trim();
}

// Calls the last of several calls in quick succession.
export function debounced(call, milliseconds) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => call(...given), milliseconds);
  };
}
