// The page of Linkie Claw: every text from a person or a model becomes a text node, never markup.
'use strict';

const main = document.getElementById('main');
const message = document.getElementById('message');
const nav = document.getElementById('nav');

function el(name, props, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(props || {})) {
    if (key === 'on') for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
    else if (value !== undefined && value !== null) node[key] = value;
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

async function call(method, path, body) {
  const answer = await fetch(path, {
    method,
    headers: { 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const found = await answer.json().catch(() => ({}));
  if (answer.ok) return found;
  if (answer.status === 401 && path !== '/api/auth/session') { show(); }
  const details = Array.isArray(found.details)
    ? found.details.map((each) => `${each.path}: ${each.message}`).join('; ')
    : found.details || '';
  throw new Error([found.error || `HTTP ${answer.status}`, details].filter(Boolean).join(' '));
}

// Runs what a button does, and says what went wrong.
function doing(act) {
  return async (event) => {
    event.preventDefault();
    const button = event.submitter || event.currentTarget;
    message.textContent = '…';
    button.disabled = true;
    try {
      message.textContent = (await act(event)) || '';
    } catch (error) {
      message.textContent = error.message;
    } finally {
      button.disabled = false;
    }
  };
}

function button(text, act) {
  return el('button', { type: 'button', on: { click: doing(act) } }, text);
}

function field(text, props, name = 'input') {
  const input = el(name, props);
  return { input, label: el('label', {}, text, input) };
}

function local(iso) {
  return iso ? new Date(iso).toLocaleString() : '';
}

// -- sign-in -------------------------------------------------------------------------------

async function signInView() {
  const { providers, offline } = await call('GET', '/api/auth/providers');
  const links = providers.map((name) => el('a', { href: `/api/auth/signin/${name}` }, `Sign in with ${name}`));
  const email = field('E-mail', { type: 'email', required: true, value: 'alex@example.com' });
  const form = el('form', {
    on: { submit: doing(async () => { await call('POST', '/api/auth/signin/offline', { email: email.input.value }); await show(); }) },
  }, email.label, el('button', {}, 'Sign in (this machine only)'));
  const nothing = links.length || offline ? null : el('p', {}, 'No way to sign in is set up; see the README.');
  return [el('h2', {}, 'Sign in'), el('p', { className: 'row' }, ...links), offline ? form : null, nothing];
}

// -- studio --------------------------------------------------------------------------------

function studioView() {
  const idea = field('Your idea', { required: true, minLength: 10, maxLength: 2000 }, 'textarea');
  const out = el('div');
  const form = el('form', {
    on: {
      submit: doing(async () => {
        const made = await call('POST', '/api/generate', { idea: idea.input.value });
        out.replaceChildren(...choices(made, idea.input.value));
      }),
    },
  }, idea.label, el('button', {}, 'Write and draw'));
  return [el('h2', {}, 'Studio'), form, out];
}

function choices(made, idea) {
  const chosen = { text: null, image: null };
  const title = field('Title', { value: idea.slice(0, 200), maxLength: 200 });
  const pick = (kind, value, card, cards) => async () => {
    chosen[kind] = value;
    for (const each of cards) each.classList.toggle('chosen', each === card);
    const name = kind === 'text' ? 'selectedTextId' : 'selectedImageId';
    await call('PATCH', `/api/generations/${made.id}`, { [name]: value.id });
  };
  const texts = [];
  for (const text of made.textVariations) {
    const card = el('article', {}, el('strong', {}, text.style), el('p', {}, text.content));
    card.append(button('Take this text', pick('text', text, card, texts)));
    texts.push(card);
  }
  const images = [];
  for (const image of made.images) {
    const card = el('article', {}, el('strong', {}, image.styleName || ''), el('img', { src: image.url, alt: image.prompt }));
    card.append(button('Take this image', pick('image', image, card, images)));
    images.push(card);
  }
  const make = button('Make a post of it', async () => {
    if (!chosen.text) throw new Error('Take a text first.');
    const body = { title: title.input.value, content: chosen.text.content };
    if (chosen.image) body.imageUrl = chosen.image.url;
    await call('POST', '/api/posts', body);
    location.hash = '#posts';
  });
  return [
    el('div', { className: 'grid' }, ...texts),
    el('div', { className: 'grid' }, ...images),
    el('div', { className: 'row' }, title.label, make),
  ];
}

// -- posts ---------------------------------------------------------------------------------

async function postsView() {
  const posts = await call('GET', '/api/posts');
  const title = field('Title', { required: true, maxLength: 200 });
  const content = field('Content', { required: true, maxLength: 3000 }, 'textarea');
  const form = el('form', {
    on: {
      submit: doing(async () => {
        await call('POST', '/api/posts', { title: title.input.value, content: content.input.value });
        await show();
      }),
    },
  }, title.label, content.label, el('button', {}, 'New draft'));
  return [el('h2', {}, `Posts (${posts.length})`), form, ...posts.map(postCard)];
}

function postCard(post) {
  const path = `/api/posts/${post.id}`;
  const act = (method, where, body) => async () => { await call(method, where, body); await show(); };
  const row = el('div', { className: 'row' });
  if (['draft', 'scheduled', 'failed'].includes(post.status)) {
    const when = el('input', { type: 'datetime-local', ariaLabel: 'When' });
    row.append(when, button('Schedule', async () => {
      if (!when.value) throw new Error('Say when.');
      await call('POST', `${path}/schedule`, { scheduledAt: new Date(when.value).toISOString() });
      await show();
    }));
  }
  if (post.status === 'scheduled') row.append(button('Unschedule', act('POST', `${path}/unschedule`)));
  if (post.status === 'publishing') {
    row.append(button('Try again', act('POST', '/api/posts/recover', { postId: post.id, action: 'retry' })));
    row.append(button('Give up', act('POST', '/api/posts/recover', { postId: post.id, action: 'fail' })));
  }
  row.append(button('Delete', act('DELETE', path)));
  const facts = [local(post.publishedAt || post.scheduledAt), post.linkedinPostUrn, post.errorMessage];
  return el('article', {},
    el('strong', {}, post.title), ' ', el('span', { className: 'status' }, post.status), ' ',
    facts.filter(Boolean).join(' · '),
    el('p', {}, post.content),
    post.imageUrl ? el('img', { src: post.imageUrl, alt: '' }) : null,
    row);
}

// -- numbers -------------------------------------------------------------------------------

function table(title, rows) {
  const lines = rows.map((row) => el('tr', {}, ...row.map((cell) => el('td', {}, String(cell ?? '')))));
  return el('section', {}, el('h3', {}, title), lines.length ? el('table', {}, ...lines) : el('p', {}, 'Nothing yet.'));
}

async function numbersView() {
  const [dashboard, analytics] = await Promise.all([
    call('GET', '/api/dashboard'), call('GET', '/api/analytics?range=30d'),
  ]);
  return [
    el('h2', {}, 'Numbers'),
    table('Posts', [...Object.entries(dashboard.stats), ['success rate', `${dashboard.successRate} %`]]),
    table('New posts by day', dashboard.postsOverTime.map((day) => [day.date, day.count])),
    table('Published by day', analytics.publishingTrend.map((day) => [day.date, day.count])),
    table('Scheduled by weekday', analytics.schedulingPatterns.map((day) => [day.day, day.count])),
    table('Latest published', analytics.topPosts.map((post) => [post.title, local(post.publishedAt), post.linkedinPostUrn])),
  ];
}

// -- settings ------------------------------------------------------------------------------

async function settingsView() {
  const [settings, tones, styles] = await Promise.all([
    call('GET', '/api/settings'), call('GET', '/api/settings/voice-tones'), call('GET', '/api/settings/image-styles'),
  ]);
  const profile = field('LinkedIn profile', { type: 'url', value: settings.linkedinProfileUrl || '' });
  const webhook = field('Webhook of your automation', { type: 'url', value: settings.n8nWebhookUrl || '' });
  const form = el('form', {
    on: {
      submit: doing(async () => {
        await call('PATCH', '/api/settings', { linkedinProfileUrl: profile.input.value, n8nWebhookUrl: webhook.input.value });
        return 'Saved.';
      }),
    },
  }, profile.label, webhook.label, el('button', {}, 'Save'));
  const linkedin = settings.linkedinConnected
    ? button('Disconnect LinkedIn', async () => { await call('DELETE', '/api/settings/linkedin'); await show(); })
    : button('Connect LinkedIn', async () => { location.assign((await call('POST', '/api/settings/linkedin/connect')).url); });
  return [
    el('h2', {}, 'Settings'), form,
    el('p', {}, `LinkedIn: ${settings.linkedinConnected ? 'connected' : 'not connected'} `, linkedin),
    stylesForm('Voice tones', '/api/settings/voice-tones', 'voiceTones', tones.voiceTones),
    stylesForm('Image styles', '/api/settings/image-styles', 'imageStyles', styles.imageStyles),
  ];
}

function stylesForm(title, path, name, styles) {
  const rows = styles.map((style) => {
    const label = field(style.id, { value: style.name, required: true, maxLength: 50 });
    const prompt = field('Prompt', { value: style.prompt, required: true, maxLength: 700 }, 'textarea');
    return { style, label, prompt };
  });
  return el('form', {
    on: {
      submit: doing(async () => {
        const body = rows.map(({ style, label, prompt }) => ({ id: style.id, name: label.input.value, prompt: prompt.input.value }));
        await call('PUT', path, { [name]: body });
        return 'Saved.';
      }),
    },
  }, el('h3', {}, title), ...rows.flatMap(({ label, prompt }) => [label.label, prompt.label]), el('button', {}, 'Save'));
}

// -- which view ----------------------------------------------------------------------------

const views = { studio: studioView, posts: postsView, numbers: numbersView, settings: settingsView };

async function show() {
  try {
    const { user } = await call('GET', '/api/auth/session');
    nav.hidden = !user;
    const view = user ? views[location.hash.slice(1)] || studioView : signInView;
    const nodes = await view();
    main.replaceChildren(...nodes.filter((node) => node !== null));
    message.textContent = '';
  } catch (error) {
    message.textContent = error.message;
  }
}

document.getElementById('sign-out').addEventListener('click', doing(async () => {
  await call('POST', '/api/auth/signout');
  await show();
}));
addEventListener('hashchange', show);
show();
