// Written by `troupe types` from the .proto files; write it again when they change.

export namespace shop {
  namespace v1 {
    interface ChangeAddress {
      readonly address?: shop.v1.Address | undefined;
    }

    interface ChangeAddressReply {
    }

    interface ClearAddress {
    }

    interface ClearAddressReply {
    }

    interface AddressEvent {
      readonly addressChanged?: shop.v1.AddressChanged | undefined;
      readonly addressCleared?: shop.v1.AddressCleared | undefined;
    }

    interface AddressChanged {
      readonly address?: shop.v1.Address | undefined;
    }

    interface AddressCleared {
    }

    interface AddressState {
      readonly address?: shop.v1.Address | undefined;
    }

    interface AddStock {
      readonly quantity: number;
    }

    interface AddStockReply {
      readonly available: number;
    }

    interface RemoveStock {
      readonly quantity: number;
      readonly reason: string;
    }

    interface RemoveStockReply {
      readonly available: number;
    }

    interface Reserve {
      readonly orderId: string;
      readonly quantity: number;
    }

    interface ReserveReply {
      readonly quantity: number;
      readonly available: number;
    }

    interface Confirm {
      readonly orderId: string;
    }

    interface ConfirmReply {
      readonly quantity: number;
    }

    interface Release {
      readonly orderId: string;
    }

    interface ReleaseReply {
      readonly quantity: number;
    }

    interface InventoryEvent {
      readonly stockAdded?: shop.v1.StockAdded | undefined;
      readonly stockRemoved?: shop.v1.StockRemoved | undefined;
      readonly stockReserved?: shop.v1.StockReserved | undefined;
      readonly reservationConfirmed?: shop.v1.ReservationConfirmed | undefined;
      readonly reservationReleased?: shop.v1.ReservationReleased | undefined;
    }

    interface StockAdded {
      readonly quantity: number;
    }

    interface StockRemoved {
      readonly quantity: number;
      readonly reason: string;
    }

    interface StockReserved {
      readonly orderId: string;
      readonly quantity: number;
    }

    interface ReservationConfirmed {
      readonly orderId: string;
      readonly quantity: number;
    }

    interface ReservationReleased {
      readonly orderId: string;
      readonly quantity: number;
    }

    interface InventoryState {
      readonly available: number;
      readonly reserved: number;
      readonly sold: number;
      readonly reservations: { readonly [key: string]: number };
      readonly shelves: { readonly [key: string]: shop.v1.Shelf };
    }

    interface Shelf {
      readonly reservations: { readonly [key: string]: number };
    }

    interface Notify {
      readonly orderId: string;
      readonly status: shop.v1.OrderStatus;
      readonly reason: string;
    }

    interface NotifyReply {
    }

    interface NotificationEvent {
      readonly notified?: shop.v1.Notified | undefined;
    }

    interface Notified {
      readonly orderId: string;
      readonly status: shop.v1.OrderStatus;
      readonly reason: string;
      readonly atMs: number;
    }

    interface NotificationState {
      readonly notices: readonly shop.v1.Notified[];
    }

    type OrderStatus = 'ORDER_STATUS_UNSPECIFIED' | 'ORDER_STATUS_AWAITING_PAYMENT' | 'ORDER_STATUS_PAID' | 'ORDER_STATUS_CONFIRMED' | 'ORDER_STATUS_EXPIRED' | 'ORDER_STATUS_VOID';

    interface PlaceOrder {
      readonly userId: string;
      readonly lines: readonly shop.v1.Line[];
      readonly paymentTimeSeconds: number;
      readonly notify: string;
    }

    interface Line {
      readonly productId: string;
      readonly quantity: number;
      readonly unitPrice: number;
      readonly inventoryId: string;
    }

    interface PlaceOrderReply {
      readonly orderId: string;
      readonly total: number;
      readonly payBeforeMs: number;
    }

    interface PayOrder {
      readonly amount: number;
      readonly paymentId: string;
    }

    interface PayOrderReply {
      readonly status: shop.v1.OrderStatus;
    }

    interface ExpireOrder {
    }

    interface ExpireOrderReply {
      readonly status: shop.v1.OrderStatus;
    }

    interface VoidOrder {
      readonly reason: string;
    }

    interface VoidOrderReply {
      readonly status: shop.v1.OrderStatus;
    }

    interface TakeOffer {
      readonly from: string;
      readonly reply?: shop.v1.CheckOfferReply | undefined;
      readonly refusal?: shop.v1.Refusal | undefined;
    }

    interface TakeOfferReply {
      readonly status: shop.v1.OrderStatus;
    }

    interface TakeReservation {
      readonly from: string;
      readonly reply?: shop.v1.ReserveReply | undefined;
      readonly refusal?: shop.v1.Refusal | undefined;
    }

    interface TakeReservationReply {
      readonly status: shop.v1.OrderStatus;
    }

    interface OrderEvent {
      readonly orderPlaced?: shop.v1.OrderPlaced | undefined;
      readonly offerConfirmed?: shop.v1.OfferConfirmed | undefined;
      readonly linesReserved?: shop.v1.LinesReserved | undefined;
      readonly orderPaid?: shop.v1.OrderPaid | undefined;
      readonly orderConfirmed?: shop.v1.OrderConfirmed | undefined;
      readonly orderExpired?: shop.v1.OrderExpired | undefined;
      readonly orderVoided?: shop.v1.OrderVoided | undefined;
      readonly orderReserved?: shop.v1.OrderReserved | undefined;
    }

    interface OrderPlaced {
      readonly userId: string;
      readonly lines: readonly shop.v1.Line[];
      readonly total: number;
      readonly payBeforeMs: number;
      readonly notify: string;
    }

    interface OfferConfirmed {
      readonly productId: string;
    }

    interface LinesReserved {
      readonly inventoryId: string;
    }

    interface OrderPaid {
      readonly amount: number;
      readonly paymentId: string;
      readonly userId: string;
    }

    interface OrderReserved {
      readonly userId: string;
      readonly notify: string;
    }

    interface OrderConfirmed {
      readonly userId: string;
      readonly notify: string;
    }

    interface OrderExpired {
      readonly userId: string;
      readonly notify: string;
    }

    interface OrderVoided {
      readonly reason: string;
      readonly userId: string;
      readonly notify: string;
    }

    interface OrderState {
      readonly status: shop.v1.OrderStatus;
      readonly userId: string;
      readonly lines: readonly shop.v1.Line[];
      readonly total: number;
      readonly payBeforeMs: number;
      readonly openOffers: readonly string[];
      readonly openReservations: readonly string[];
      readonly paymentId: string;
      readonly voidReason: string;
      readonly notify: string;
    }

    type PaymentStatus = 'PAYMENT_STATUS_UNSPECIFIED' | 'PAYMENT_STATUS_AUTHORISED' | 'PAYMENT_STATUS_CAPTURED' | 'PAYMENT_STATUS_REFUNDED' | 'PAYMENT_STATUS_FAILED';

    interface AuthorisePayment {
      readonly orderId: string;
      readonly amount: number;
      readonly method: string;
      readonly capture: boolean;
    }

    interface AuthorisePaymentReply {
      readonly paymentId: string;
    }

    interface CapturePayment {
    }

    interface CapturePaymentReply {
      readonly status: shop.v1.PaymentStatus;
    }

    interface RefundPayment {
      readonly reason: string;
    }

    interface RefundPaymentReply {
      readonly status: shop.v1.PaymentStatus;
    }

    interface TakeOrderAnswer {
      readonly from: string;
      readonly reply?: shop.v1.PayOrderReply | undefined;
      readonly refusal?: shop.v1.Refusal | undefined;
    }

    interface TakeOrderAnswerReply {
      readonly status: shop.v1.PaymentStatus;
    }

    interface PaymentEvent {
      readonly paymentAuthorised?: shop.v1.PaymentAuthorised | undefined;
      readonly paymentCaptured?: shop.v1.PaymentCaptured | undefined;
      readonly paymentRefunded?: shop.v1.PaymentRefunded | undefined;
      readonly paymentFailed?: shop.v1.PaymentFailed | undefined;
    }

    interface PaymentAuthorised {
      readonly orderId: string;
      readonly amount: number;
      readonly method: string;
    }

    interface PaymentCaptured {
      readonly amount: number;
    }

    interface PaymentRefunded {
      readonly amount: number;
      readonly reason: string;
    }

    interface PaymentFailed {
      readonly reason: string;
    }

    interface PaymentState {
      readonly status: shop.v1.PaymentStatus;
      readonly orderId: string;
      readonly amount: number;
      readonly method: string;
      readonly reason: string;
    }

    interface CreateProduct {
      readonly name: string;
      readonly description: string;
      readonly price: number;
      readonly inventoryId: string;
      readonly onSale: boolean;
    }

    interface CreateProductReply {
      readonly productId: string;
    }

    interface ChangePrice {
      readonly price: number;
    }

    interface ChangePriceReply {
      readonly oldPrice: number;
    }

    interface PutOnSale {
    }

    interface PutOnSaleReply {
    }

    interface TakeOffSale {
      readonly reason: string;
    }

    interface TakeOffSaleReply {
    }

    interface CheckOffer {
      readonly unitPrice: number;
      readonly inventoryId: string;
    }

    interface CheckOfferReply {
      readonly unitPrice: number;
    }

    interface ProductEvent {
      readonly productCreated?: shop.v1.ProductCreated | undefined;
      readonly priceChanged?: shop.v1.PriceChanged | undefined;
      readonly productPutOnSale?: shop.v1.ProductPutOnSale | undefined;
      readonly productTakenOffSale?: shop.v1.ProductTakenOffSale | undefined;
    }

    interface ProductCreated {
      readonly name: string;
      readonly description: string;
      readonly price: number;
      readonly inventoryId: string;
    }

    interface PriceChanged {
      readonly oldPrice: number;
      readonly newPrice: number;
    }

    interface ProductPutOnSale {
    }

    interface ProductTakenOffSale {
      readonly reason: string;
    }

    interface ProductState {
      readonly created: boolean;
      readonly name: string;
      readonly description: string;
      readonly price: number;
      readonly inventoryId: string;
      readonly onSale: boolean;
    }

    interface Refusal {
      readonly code: string;
      readonly message: string;
    }

    interface RegisterUser {
      readonly name: string;
      readonly email: string;
    }

    interface RegisterUserReply {
      readonly userId: string;
    }

    interface RenameUser {
      readonly name: string;
    }

    interface RenameUserReply {
    }

    interface AddAddress {
      readonly address?: shop.v1.Address | undefined;
    }

    interface AddAddressReply {
      readonly addressId: number;
    }

    interface RemoveAddress {
      readonly addressId: number;
    }

    interface RemoveAddressReply {
    }

    interface Address {
      readonly recipient: string;
      readonly street: string;
      readonly postcode: string;
      readonly city: string;
      readonly country: string;
    }

    interface NoteOrder {
      readonly orderId: string;
      readonly total: number;
      readonly placedMs: number;
    }

    interface NoteOrderReply {
    }

    interface NoteOrderStatus {
      readonly orderId: string;
      readonly status: shop.v1.OrderStatus;
    }

    interface NoteOrderStatusReply {
    }

    interface NoteAddress {
      readonly name: string;
      readonly gone: boolean;
    }

    interface NoteAddressReply {
    }

    interface UserEvent {
      readonly userRegistered?: shop.v1.UserRegistered | undefined;
      readonly userRenamed?: shop.v1.UserRenamed | undefined;
      readonly addressAdded?: shop.v1.AddressAdded | undefined;
      readonly addressRemoved?: shop.v1.AddressRemoved | undefined;
      readonly orderNoted?: shop.v1.OrderNoted | undefined;
      readonly orderStatusNoted?: shop.v1.OrderStatusNoted | undefined;
      readonly addressNoted?: shop.v1.AddressNoted | undefined;
    }

    interface OrderNoted {
      readonly orderId: string;
      readonly total: number;
      readonly placedMs: number;
    }

    interface OrderStatusNoted {
      readonly orderId: string;
      readonly status: shop.v1.OrderStatus;
    }

    interface AddressNoted {
      readonly name: string;
      readonly gone: boolean;
    }

    interface UserRegistered {
      readonly name: string;
      readonly email: string;
    }

    interface UserRenamed {
      readonly name: string;
    }

    interface AddressAdded {
      readonly addressId: number;
      readonly address?: shop.v1.Address | undefined;
    }

    interface AddressRemoved {
      readonly addressId: number;
    }

    interface UserState {
      readonly registered: boolean;
      readonly name: string;
      readonly email: string;
      readonly addresses: { readonly [key: string]: shop.v1.Address };
      readonly lastAddressId: number;
      readonly orders: readonly shop.v1.NotedOrder[];
      readonly addressNames: readonly string[];
    }

    interface NotedOrder {
      readonly orderId: string;
      readonly status: shop.v1.OrderStatus;
      readonly total: number;
      readonly placedMs: number;
    }
  }
}

/** The messages of each actor type. */
export interface Actors {
  'shop.v1.Address': {
    type: 'shop.v1.Address';
    state: shop.v1.AddressState;
    commands: {
      ChangeAddress: { command: shop.v1.ChangeAddress; reply: shop.v1.ChangeAddressReply };
      ClearAddress: { command: shop.v1.ClearAddress; reply: shop.v1.ClearAddressReply };
    };
    events: {
      AddressChanged: shop.v1.AddressChanged;
      AddressCleared: shop.v1.AddressCleared;
    };
  };
  'shop.v1.Inventory': {
    type: 'shop.v1.Inventory';
    state: shop.v1.InventoryState;
    commands: {
      AddStock: { command: shop.v1.AddStock; reply: shop.v1.AddStockReply };
      RemoveStock: { command: shop.v1.RemoveStock; reply: shop.v1.RemoveStockReply };
      Reserve: { command: shop.v1.Reserve; reply: shop.v1.ReserveReply };
      Confirm: { command: shop.v1.Confirm; reply: shop.v1.ConfirmReply };
      Release: { command: shop.v1.Release; reply: shop.v1.ReleaseReply };
    };
    events: {
      StockAdded: shop.v1.StockAdded;
      StockRemoved: shop.v1.StockRemoved;
      StockReserved: shop.v1.StockReserved;
      ReservationConfirmed: shop.v1.ReservationConfirmed;
      ReservationReleased: shop.v1.ReservationReleased;
    };
  };
  'shop.v1.Notification': {
    type: 'shop.v1.Notification';
    state: shop.v1.NotificationState;
    commands: {
      Notify: { command: shop.v1.Notify; reply: shop.v1.NotifyReply };
    };
    events: {
      Notified: shop.v1.Notified;
    };
  };
  'shop.v1.Order': {
    type: 'shop.v1.Order';
    state: shop.v1.OrderState;
    commands: {
      PlaceOrder: { command: shop.v1.PlaceOrder; reply: shop.v1.PlaceOrderReply };
      PayOrder: { command: shop.v1.PayOrder; reply: shop.v1.PayOrderReply };
      ExpireOrder: { command: shop.v1.ExpireOrder; reply: shop.v1.ExpireOrderReply };
      VoidOrder: { command: shop.v1.VoidOrder; reply: shop.v1.VoidOrderReply };
      TakeOffer: { command: shop.v1.TakeOffer; reply: shop.v1.TakeOfferReply };
      TakeReservation: { command: shop.v1.TakeReservation; reply: shop.v1.TakeReservationReply };
    };
    events: {
      OrderPlaced: shop.v1.OrderPlaced;
      OfferConfirmed: shop.v1.OfferConfirmed;
      LinesReserved: shop.v1.LinesReserved;
      OrderPaid: shop.v1.OrderPaid;
      OrderConfirmed: shop.v1.OrderConfirmed;
      OrderExpired: shop.v1.OrderExpired;
      OrderVoided: shop.v1.OrderVoided;
      OrderReserved: shop.v1.OrderReserved;
    };
  };
  'shop.v1.Payment': {
    type: 'shop.v1.Payment';
    state: shop.v1.PaymentState;
    commands: {
      AuthorisePayment: { command: shop.v1.AuthorisePayment; reply: shop.v1.AuthorisePaymentReply };
      CapturePayment: { command: shop.v1.CapturePayment; reply: shop.v1.CapturePaymentReply };
      RefundPayment: { command: shop.v1.RefundPayment; reply: shop.v1.RefundPaymentReply };
      TakeOrderAnswer: { command: shop.v1.TakeOrderAnswer; reply: shop.v1.TakeOrderAnswerReply };
    };
    events: {
      PaymentAuthorised: shop.v1.PaymentAuthorised;
      PaymentCaptured: shop.v1.PaymentCaptured;
      PaymentRefunded: shop.v1.PaymentRefunded;
      PaymentFailed: shop.v1.PaymentFailed;
    };
  };
  'shop.v1.Product': {
    type: 'shop.v1.Product';
    state: shop.v1.ProductState;
    commands: {
      CreateProduct: { command: shop.v1.CreateProduct; reply: shop.v1.CreateProductReply };
      ChangePrice: { command: shop.v1.ChangePrice; reply: shop.v1.ChangePriceReply };
      PutOnSale: { command: shop.v1.PutOnSale; reply: shop.v1.PutOnSaleReply };
      TakeOffSale: { command: shop.v1.TakeOffSale; reply: shop.v1.TakeOffSaleReply };
      CheckOffer: { command: shop.v1.CheckOffer; reply: shop.v1.CheckOfferReply };
    };
    events: {
      ProductCreated: shop.v1.ProductCreated;
      PriceChanged: shop.v1.PriceChanged;
      ProductPutOnSale: shop.v1.ProductPutOnSale;
      ProductTakenOffSale: shop.v1.ProductTakenOffSale;
    };
  };
  'shop.v1.User': {
    type: 'shop.v1.User';
    state: shop.v1.UserState;
    commands: {
      RegisterUser: { command: shop.v1.RegisterUser; reply: shop.v1.RegisterUserReply };
      RenameUser: { command: shop.v1.RenameUser; reply: shop.v1.RenameUserReply };
      AddAddress: { command: shop.v1.AddAddress; reply: shop.v1.AddAddressReply };
      RemoveAddress: { command: shop.v1.RemoveAddress; reply: shop.v1.RemoveAddressReply };
      NoteOrder: { command: shop.v1.NoteOrder; reply: shop.v1.NoteOrderReply };
      NoteOrderStatus: { command: shop.v1.NoteOrderStatus; reply: shop.v1.NoteOrderStatusReply };
      NoteAddress: { command: shop.v1.NoteAddress; reply: shop.v1.NoteAddressReply };
    };
    events: {
      UserRegistered: shop.v1.UserRegistered;
      UserRenamed: shop.v1.UserRenamed;
      AddressAdded: shop.v1.AddressAdded;
      AddressRemoved: shop.v1.AddressRemoved;
      OrderNoted: shop.v1.OrderNoted;
      OrderStatusNoted: shop.v1.OrderStatusNoted;
      AddressNoted: shop.v1.AddressNoted;
    };
  };
}
