// The door of a room: six digits lead to the page on which viewers look on.

const form = document.getElementById('form'), digits = document.getElementById('digits'), said = document.getElementById('said');

form.addEventListener('submit', async e => {
    e.preventDefault();
    const code = digits.value.replace(/\D/g, '');
    if (code.length !== 6) {
        said.textContent = 'The code has six digits.';
        return digits.focus();
    }
    try {
        const response = await fetch('code', {
            method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify({code}),
        });
        const answer = await response.json();
        if (response.ok) location.replace(answer.to);
        else said.textContent = answer.error;
    } catch {
        said.textContent = 'lethe does not answer. Is this device in the same network?';
    }
    digits.select();
});
