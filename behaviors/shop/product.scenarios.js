const created = ['ProductCreated', { name: 'Tea', description: 'Green', price: 450, inventoryId: 'p-1' }];
const onSale = ['ProductPutOnSale', {}];
const product = { created: true, name: 'Tea', description: 'Green', price: 450, inventoryId: 'p-1' };

export default [
  {
    name: 'creates a product with an inventory of its own',
    actor: 'p-1',
    when: ['CreateProduct', { name: 'Tea', description: 'Green', price: 450 }],
    then: { events: [created], reply: { productId: 'p-1' }, state: product },
  },
  {
    name: 'creates a product on sale, with a shared inventory',
    actor: 'p-1',
    when: ['CreateProduct', { name: 'Tea', description: 'Green', price: 450, inventoryId: 'teas', onSale: true }],
    then: {
      events: [['ProductCreated', { ...created[1], inventoryId: 'teas' }], onSale],
      state: { ...product, inventoryId: 'teas', onSale: true },
    },
  },
  {
    name: 'may be given away, under the longest name',
    when: ['CreateProduct', { name: 'a'.repeat(200) }],
    then: { events: [['ProductCreated', { name: 'a'.repeat(200), inventoryId: '1' }]] },
  },
  {
    name: 'may cost as much as there is',
    given: [created],
    when: ['ChangePrice', { price: 1_000_000_000_000 }],
    then: { reply: { oldPrice: 450 } },
  },
  { name: 'bounds the name', when: ['CreateProduct', { name: 'a'.repeat(201) }], then: { rejected: 'BAD_NAME' } },
  { name: 'creates only once', given: [created], when: ['CreateProduct', { name: 'Tea' }], then: { rejected: 'ALREADY_CREATED' } },
  { name: 'wants a name', when: ['CreateProduct', { price: 1 }], then: { rejected: 'BAD_NAME' } },
  { name: 'refuses a negative price', when: ['CreateProduct', { name: 'Tea', price: -1 }], then: { rejected: 'BAD_PRICE' } },
  {
    name: 'changes the price',
    given: [created],
    when: ['ChangePrice', { price: 500 }],
    then: { events: [['PriceChanged', { oldPrice: 450, newPrice: 500 }]], reply: { oldPrice: 450 }, state: { ...product, price: 500 } },
  },
  { name: 'the same price again changes nothing', given: [created], when: ['ChangePrice', { price: 450 }], then: { events: [], reply: { oldPrice: 450 } } },
  { name: 'refuses a price beyond all bounds', given: [created], when: ['ChangePrice', { price: 1_000_000_000_001 }], then: { rejected: 'BAD_PRICE' } },
  { name: 'prices nothing unknown', when: ['ChangePrice', { price: 1 }], then: { rejected: 'NOT_FOUND' } },
  { name: 'goes on sale', given: [created], when: ['PutOnSale', {}], then: { events: [onSale], reply: {}, state: { ...product, onSale: true } } },
  { name: 'stays on sale', given: [created, onSale], when: ['PutOnSale', {}], then: { events: [], reply: {} } },
  { name: 'puts nothing unknown on sale', when: ['PutOnSale', {}], then: { rejected: 'NOT_FOUND' } },
  {
    name: 'goes off sale and tells every order that refers to it',
    given: [created, onSale],
    when: ['TakeOffSale', { reason: 'recall' }],
    then: {
      events: [['ProductTakenOffSale', { reason: 'recall' }]],
      broadcasts: [['VoidOrder', { reason: 'NOT_ON_SALE' }]],
      state: product,
    },
  },
  { name: 'goes off sale only from being on sale', given: [created], when: ['TakeOffSale', {}], then: { rejected: 'NOT_ON_SALE' } },
  { name: 'takes nothing unknown off sale', when: ['TakeOffSale', {}], then: { rejected: 'NOT_FOUND' } },
  { name: 'stands by its offer', given: [created, onSale], when: ['CheckOffer', { unitPrice: 450 }], then: { events: [], reply: { unitPrice: 450 } } },
  { name: 'no offer off sale', given: [created], when: ['CheckOffer', { unitPrice: 450 }], then: { rejected: 'NOT_ON_SALE' } },
  { name: 'no offer at an old price', given: [created, onSale], when: ['CheckOffer', { unitPrice: 449 }], then: { rejected: 'PRICE_CHANGED' } },
  { name: 'no offer of nothing', when: ['CheckOffer', { unitPrice: 450 }], then: { rejected: 'NOT_FOUND' } },
  { name: 'stands by its offer where its stock is', given: [created, onSale], when: ['CheckOffer', { unitPrice: 450, inventoryId: 'p-1' }], then: { reply: { unitPrice: 450 } } },
  { name: 'no offer from another inventory', given: [created, onSale], when: ['CheckOffer', { unitPrice: 450, inventoryId: 'p-2' }], then: { rejected: 'WRONG_INVENTORY' } },
];
